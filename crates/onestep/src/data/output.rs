//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::DataError;
use crate::lock::create_scratch;

/// Writes a file whole or not at all.
///
/// `body` writes to a scratch file in the same folder, which takes the final name only when
/// everything has reached the disk. Whoever looks sees the old file or the new one, never half.
///
/// # Errors
///
/// [`DataError::Write`] with what creating, filling or renaming met; nothing is left behind.
///
/// # Examples
///
/// ```no_run
/// use std::io::Write;
/// onestep::data::write_whole("notes.txt".as_ref(), |file| file.write_all(b"all of it"))?;
/// # Ok::<(), onestep::Error>(())
/// ```
pub fn write_whole(
    path: &Path,
    body: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let mut whole = WholeFile::create(path)?;
    body(&mut whole.writer).map_err(|source| DataError::Write { path: path.to_path_buf(), source })?;
    whole.finish()
}

/// A file that grows piece by piece under a scratch name, for what is too large to be at hand at once; without
/// [`WholeFile::finish`] nothing of it stays.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    scratch_path: PathBuf,
    writer: BufWriter<File>,
    finished: bool,
}

impl WholeFile {
    /// Begins one in the folder of its final name, which must exist.
    pub(crate) fn create(path: &Path) -> Result<Self, DataError> {
        let (scratch_path, scratch) =
            create_scratch(path).map_err(|source| DataError::Write { path: path.to_path_buf(), source })?;
        let writer = BufWriter::new(scratch);
        Ok(Self { path: path.to_path_buf(), scratch_path, writer, finished: false })
    }

    /// The final name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its final name, once everything has reached the disk.
    pub(crate) fn finish(mut self) -> Result<(), DataError> {
        let written = self.writer.flush().and_then(|()| self.writer.get_ref().sync_all());
        written
            .and_then(|()| fs::rename(&self.scratch_path, &self.path))
            .map_err(|source| DataError::Write { path: self.path.clone(), source })?;
        self.finished = true;
        sync_folder(&self.path);
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.writer.seek(to)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.finished {
            // Whatever ended the writing is told elsewhere; that a scratch file stays behind is the smaller evil.
            let _ = fs::remove_file(&self.scratch_path);
        }
    }
}

/// Makes the rename itself durable where folders can be opened; elsewhere the system sees to it.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_files_of_the_dead_are_taken_over_and_those_of_the_living_are_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.csv");
        fs::write(home.path().join(".x.csv.0.partial"), "what a killed process had, longer than the rest")
            .unwrap();
        let mut one = WholeFile::create(&path).unwrap();
        let mut other = WholeFile::create(&path).unwrap();
        one.write_all(b"one").unwrap();
        other.write_all(b"other").unwrap();
        one.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        other.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"other");
        drop(WholeFile::create(&path).unwrap());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        // A link leads to a file of somebody's.
        #[cfg(unix)]
        {
            let link = home.path().join(".y.csv.0.partial");
            std::os::unix::fs::symlink(&path, link).unwrap();
            write_whole(&home.path().join("y.csv"), |file| file.write_all(b"new")).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"other");
        }
    }
}
