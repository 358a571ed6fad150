//! Files that one process has at a time.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How many scratch files of others are stepped over.
const MAX_ATTEMPTS: usize = 100;

/// A lock file that is ours until this is dropped.
///
/// The lock is the operating system's, on a file that holds the owner's process id. It ends with its process however that ends, so a
/// lock file left behind means nothing.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    enforced: bool,
}

/// Why a lock file is not ours.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it, or another lock of this one; its process id, if it can be read.
    Held { owner: Option<u32> },
    /// The system refused to do something.
    System { action: &'static str, reason: io::Error },
}

impl FileLock {
    /// Locks a file, which is made where there is none.
    pub(crate) fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |action| move |reason| LockError::System { action, reason };
        if path.is_symlink() {
            let reason = io::Error::new(io::ErrorKind::InvalidInput, "it is a link");
            return Err(LockError::System { action: "create the lock file", reason });
        }
        // Not truncated: until the lock is held, the number in it is the owner's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("create the lock file"))?;
        let enforced = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { owner: owner(&mut file) }),
            // Some cluster file systems are mounted without locks; refusing to work there would help nobody.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => false,
            Err(TryLockError::Error(error)) => return Err(failed("lock the lock file")(error)),
        };
        let write_owner = |file: &mut File| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        write_owner(&mut file).map_err(failed("write the lock file"))?;
        Ok(Self { file, enforced })
    }

    /// Whether the path still leads to the file that was locked: not removed, and no other one in its place.
    pub(crate) fn is_in_place(&self, path: &Path) -> bool {
        is_at(&self.file, path)
    }

    /// Whether the file system has locks at all; where it does not, nothing keeps a second process out.
    pub(crate) fn is_enforced(&self) -> bool {
        self.enforced
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started holds a copy of it for a moment.
        let _ = self.file.unlock();
    }
}

/// Whether a path leads to an open file.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), path.metadata()), (Ok(ours), Ok(there)) if place(&ours) == place(&there))
}

/// Whether a path leads to an open file; where an open file keeps its name, whether the path leads anywhere.
#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The process id in a lock file, if there is one.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A scratch file beside `path` that is ours alone, locked as long as it is open. One that a killed process left behind is taken over, so
/// that it goes away when the name is written again.
pub(crate) fn create_scratch(path: &Path) -> io::Result<(PathBuf, File)> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    for attempt in 0..MAX_ATTEMPTS {
        let mut scratch_name = OsString::from(".");
        scratch_name.push(name);
        scratch_name.push(format!(".{attempt}.partial"));
        let scratch_path = path.with_file_name(scratch_name);
        let (file, is_new) = match File::create_new(&scratch_path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            // Through a link, somebody's file would be written.
            Err(_) if !fs::symlink_metadata(&scratch_path).is_ok_and(|there| there.is_file()) => continue,
            // Not truncated: it may be somebody's, and even have its final name by the time it is open.
            Err(_) => match OpenOptions::new().write(true).open(&scratch_path) {
                Ok(file) => (file, false),
                Err(_) => continue,
            },
        };
        let is_ours = match file.try_lock() {
            Ok(()) => is_at(&file, &scratch_path),
            Err(TryLockError::WouldBlock) => false,
            // Where there are no locks, what was there may be somebody's.
            Err(TryLockError::Error(_)) => is_new,
        };
        if is_ours {
            file.set_len(0)?;
            return Ok((scratch_path, file));
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many scratch files of that name are there"))
}
