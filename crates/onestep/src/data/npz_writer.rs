//! Numpy archives that are written piece by piece.

use std::path::Path;

use super::DataError;
use super::npy::NpyHeader;
use super::zip_writer::WholeZip;

/// An archive of arrays whose elements need not be at hand together. Equal arrays give equal files; without [`NpzWriter::finish`] there
/// is none.
pub(crate) struct NpzWriter {
    zip: WholeZip,
}

impl NpzWriter {
    /// Begins an archive without arrays.
    pub(crate) fn create(path: &Path) -> Result<Self, DataError> {
        Ok(Self { zip: WholeZip::create(path)? })
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
        self.zip.begin(&format!("{name}.npy"), size)?;
        self.zip.extend(&header)
    }

    /// The next elements of the array that was begun last, as bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.zip.extend(bytes)
    }

    /// Ends the archive, which then takes its name.
    pub(crate) fn finish(self) -> Result<(), DataError> {
        self.zip.finish()
    }
}
