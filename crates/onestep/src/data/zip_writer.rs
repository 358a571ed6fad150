//! Zip archives that are written piece by piece.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::zip::result::ZipError;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, ZipWriter};

use super::DataError;
use super::output::WholeFile;

/// An archive whose contents need not be at hand together. It is not compressed and holds no times, so equal contents give equal
/// files; without [`WholeZip::finish`] there is none.
pub(super) struct WholeZip {
    // Dropped first, so that the archive is not ended where it was given up.
    over: Over,
    archive: ZipWriter<Body>,
    path: PathBuf,
}

/// Gives an archive up when it is dropped.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The file of an archive. A writer of archives ends them when it is dropped, and prints what it meets where it cannot; so an archive
/// that is given up, or met an error, takes everything that still comes and keeps nothing of it.
struct Body {
    file: WholeFile,
    at: u64,
    is_over: Arc<AtomicBool>,
}

impl Body {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn heed<T>(&self, met: io::Result<T>) -> io::Result<T> {
        // Only an interrupted write is tried again.
        if met.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            self.is_over.store(true, Ordering::Relaxed);
        }
        met
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = if self.is_over() {
            bytes.len()
        } else {
            let met = self.file.write(bytes);
            self.heed(met)?
        };
        self.at += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_over() {
            Ok(())
        } else {
            let met = self.file.flush();
            self.heed(met)
        }
    }
}

impl Seek for Body {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            _ if !self.is_over() => {
                let met = self.file.seek(to);
                self.heed(met)?
            }
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
            SeekFrom::End(_) => self.at,
        };
        Ok(self.at)
    }
}

impl WholeZip {
    /// Begins an archive without entries.
    pub(super) fn create(path: &Path) -> Result<Self, DataError> {
        let over = Over(Arc::default());
        let body = Body { file: WholeFile::create(path)?, at: 0, is_over: over.0.clone() };
        Ok(Self { over, path: path.to_path_buf(), archive: ZipWriter::new(body) })
    }

    /// Begins an entry of about so many bytes, which follow by [`WholeZip::extend`].
    pub(super) fn begin(&mut self, name: &str, n_bytes: usize) -> Result<(), DataError> {
        let begun = self.archive.start_file(name, entry_options(n_bytes));
        begun.map_err(|error| self.failed(error))
    }

    /// The next bytes of the entry that was begun last.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.archive.write_all(bytes).map_err(|error| self.failed(error.into()))
    }

    /// Ends the archive, which then takes its name.
    pub(super) fn finish(self) -> Result<(), DataError> {
        let Self { over, archive, path } = self;
        let failed = |source| DataError::Write { path: path.clone(), source };
        let body = archive.finish().map_err(|error| failed(error.into()))?;
        if over.0.load(Ordering::Relaxed) {
            return Err(failed(io::Error::other("the archive met an error before its end")));
        }
        body.file.finish()
    }

    fn failed(&self, error: ZipError) -> DataError {
        DataError::Write { path: self.path.clone(), source: error.into() }
    }
}

/// An entry that is not compressed and has no time.
fn entry_options(n_bytes: usize) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        // `large_file` from 4 GiB on needs another header layout, so it is asked for only then.
        .large_file(n_bytes >= u32::MAX as usize - (64 << 10))
}
