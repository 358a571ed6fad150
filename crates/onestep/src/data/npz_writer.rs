//! Numpy archives that are written piece by piece.

use std::io::Write;
use std::path::Path;

use ::zip::result::ZipError;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, ZipWriter};

use super::DataError;
use super::npy::NpyHeader;
use super::output::WholeFile;

/// An archive of arrays whose elements need not be at hand together. It is not compressed and holds no times, so equal arrays give
/// equal files; without [`NpzWriter::finish`] there is none.
pub(crate) struct NpzWriter {
    archive: ZipWriter<WholeFile>,
    path: std::path::PathBuf,
}

impl NpzWriter {
    /// Begins an archive without arrays.
    pub(crate) fn create(path: &Path) -> Result<Self, DataError> {
        let file = WholeFile::create(path)?;
        Ok(Self { path: path.to_path_buf(), archive: ZipWriter::new(file) })
    }

    /// Begins an array: `descr` is numpy's word for its elements, of `n_bytes` each. Its elements follow by
    /// [`NpzWriter::extend`], row-major.
    pub(crate) fn begin(
        &mut self,
        name: &str,
        descr: &str,
        n_bytes: usize,
        shape: Vec<usize>,
    ) -> Result<(), DataError> {
        let size = shape.iter().fold(n_bytes, |n, &axis| n.saturating_mul(axis));
        let header = NpyHeader { descr: descr.to_owned(), fortran_order: false, shape }.to_bytes();
        let begun = self.archive.start_file(format!("{name}.npy"), entry_options(size));
        begun.map_err(|error| self.failed(error))?;
        self.extend(&header)
    }

    /// The next elements of the array that was begun last, as bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.archive.write_all(bytes).map_err(|error| self.failed(error.into()))
    }

    /// Ends the archive, which then takes its name.
    pub(crate) fn finish(self) -> Result<(), DataError> {
        let Self { archive, path } = self;
        let file = archive.finish().map_err(|error| DataError::Write { path, source: error.into() })?;
        file.finish()
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
