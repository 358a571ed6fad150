//! One writer for each output.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{DataError, OutputError};
use crate::lock::{FileLock, LockError};

/// The right to write an output, held until dropped.
///
/// What is made together has one record between them (`x.json` for `x.png` and `x.npz`, `samples.json` in a folder), and the lock file
/// lies beside it, hidden, as long as it is written.
#[derive(Debug)]
pub struct OutputLock {
    path: PathBuf,
    // Dropped after the file is removed: whoever waits for it then finds that what it got is no longer in its place.
    _lock: FileLock,
}

impl OutputLock {
    /// Takes the lock of the output whose record this is, in a folder that exists.
    ///
    /// # Errors
    ///
    /// - [`OutputError::InUse`] with the owner's process id if another process writes it.
    /// - [`DataError::Write`] for anything that the system refuses.
    pub fn acquire(record: &Path) -> crate::Result<Self> {
        let mut name = OsString::from(".");
        name.push(record.file_name().unwrap_or_default());
        name.push(".lock");
        let path = record.with_file_name(name);
        loop {
            match FileLock::acquire(&path) {
                Ok(lock) if lock.is_in_place(&path) => return Ok(Self { path, _lock: lock }),
                // Its owner was about to remove it, and has by now.
                Ok(_) => {}
                Err(LockError::Held { owner }) => {
                    return Err(OutputError::InUse { path: record.to_path_buf(), owner }.into());
                }
                Err(LockError::System { reason, .. }) => {
                    return Err(DataError::Write { path, source: reason }.into());
                }
            }
        }
    }
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        // A lock file that stays behind means nothing.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_has_one_writer_who_is_named_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let record = home.path().join("x.json");
        let lock = OutputLock::acquire(&record).unwrap();
        let refused = OutputLock::acquire(&record).unwrap_err();
        assert!(
            matches!(&refused, crate::Error::Output(OutputError::InUse { path, owner: Some(owner) })
                if *path == record && *owner == std::process::id()),
            "{refused}"
        );
        OutputLock::acquire(&home.path().join("y.json")).unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        // What a process that was killed left behind means nothing.
        fs::write(home.path().join(".x.json.lock"), "1\n").unwrap();
        OutputLock::acquire(&record).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
