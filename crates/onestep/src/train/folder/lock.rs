//! One writer for each run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::checkpoint::CheckpointError;

/// Name of the lock file in a run folder.
const FILE: &str = ".lock";

/// The right to write in a run folder, held until dropped.
///
/// The lock is the operating system's, on a file that holds the owner's process id. It ends with its process however
/// that ends, so a lock file left behind means nothing and is never removed: removing it would race with the next owner.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    enforced: bool,
}

impl RunLock {
    /// Takes the lock of the run folder `run`, which must exist.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::Locked`] with the owner's process id if another process, or another lock of this one, has it.
    /// - [`CheckpointError::CannotCreate`] if the folder is not writable.
    /// - [`CheckpointError::Io`] for anything else the system refuses.
    pub fn acquire(run: &Path) -> Result<Self, CheckpointError> {
        let path = run.join(FILE);
        let failed = |action| {
            let path = path.clone();
            move |error| CheckpointError::from_io(action, &path, error, 0)
        };
        // Not truncated: until the lock is held, the number in it is the owner's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("create the lock file"))?;
        let enforced = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                return Err(CheckpointError::Locked { path: run.to_path_buf(), owner: owner(&mut file) });
            }
            // Some cluster file systems are mounted without locks; refusing to train there would help nobody.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => false,
            Err(TryLockError::Error(error)) => return Err(failed("lock the run folder")(error)),
        };
        let write_owner = |file: &mut File| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        write_owner(&mut file).map_err(failed("write the lock file"))?;
        Ok(Self { file, enforced })
    }

    /// Whether a run was ever begun in a folder: its lock file stays.
    pub(in crate::train) fn was_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Whether the folder `run` is still the one that was locked: not removed, and no other one in its place.
    pub fn is_in_place(&self, run: &Path) -> bool {
        same_file(&self.file, &run.join(FILE))
    }

    /// Whether the file system has locks at all; where it does not, nothing keeps a second process out.
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started holds a copy of it for a moment.
        let _ = self.file.unlock();
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), path.metadata()), (Ok(ours), Ok(there)) if place(&ours) == place(&there))
}

// Elsewhere a folder cannot be removed while a file in it is open.
#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The process id in a lock file, if there is one.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
