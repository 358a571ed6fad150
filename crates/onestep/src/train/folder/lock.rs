//! One writer for each run folder.

use std::path::Path;

use crate::checkpoint::CheckpointError;
use crate::lock::{FileLock, LockError};

/// Name of the lock file in a run folder.
const FILE: &str = ".lock";

/// The right to write in a run folder, held until dropped.
///
/// The lock is the operating system's, on a file that holds the owner's process id. It ends with its process however
/// that ends, so a lock file left behind means nothing and is never removed: removing it would race with the next owner.
#[derive(Debug)]
pub struct RunLock(FileLock);

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
        FileLock::acquire(&path).map(Self).map_err(|error| match error {
            LockError::Held { owner } => CheckpointError::Locked { path: run.to_path_buf(), owner },
            LockError::System { action, reason } => CheckpointError::from_io(action, &path, reason, 0),
        })
    }

    /// Whether a run was ever begun in a folder: its lock file stays.
    pub(in crate::train) fn was_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Whether the folder `run` is still the one that was locked: not removed, and no other one in its place.
    pub fn is_in_place(&self, run: &Path) -> bool {
        self.0.is_in_place(&run.join(FILE))
    }

    /// Whether the file system has locks at all; where it does not, nothing keeps a second process out.
    pub fn is_enforced(&self) -> bool {
        self.0.is_enforced()
    }
}
