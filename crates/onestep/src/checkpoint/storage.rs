//! The seam to the file system: the few operations a save is made of.
//!
//! Production uses [`Disk`]. Tests put a failing storage in its place and so run the very code that has to survive a
//! full disk or a lost machine. Reading does not go through here: it changes nothing.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// File operations that change something.
pub trait Storage: Debug + Send + Sync {
    /// Creates a folder and the ones above it; one that exists is fine.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Creates a file that must not exist yet, so that nothing is ever written through a planted link.
    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;
    /// Renames a file over another or a folder to a free name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder survive a loss of power.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all it holds.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Bytes that may still be written where `path` is.
    fn available_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// A file that is being written.
pub trait StoredFile: Write {
    /// Makes the contents survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(File::create_new(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(unix)]
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    // Windows opens no folders as files; its file system journals names by itself.
    #[cfg(not(unix))]
    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        fs4::available_space(path)
    }
}

impl StoredFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
