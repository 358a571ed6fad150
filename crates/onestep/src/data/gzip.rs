//! Files that may be gzipped, read within bounds.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::DataError;
use crate::file;

/// Opens a file and undoes gzip if it begins like one.
///
/// The reader fails, rather than ends, once it has given more than `limit` bytes: a bomb must not look like a shorter file.
pub(super) fn open(path: &Path, limit: u64) -> Result<Box<dyn Read>, DataError> {
    let read_error = |error| DataError::read(path, error);
    let file = file::open(path).map_err(read_error)?;
    let mut file = BufReader::new(file);
    if !file.fill_buf().map_err(read_error)?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(file));
    }
    Ok(Box::new(Bounded { inner: MultiGzDecoder::new(file), left: limit, limit }))
}

struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n_read as u64)
            .ok_or_else(|| io::Error::other(format!("the contents are over {} MiB", self.limit >> 20)))?;
        Ok(n_read)
    }
}
