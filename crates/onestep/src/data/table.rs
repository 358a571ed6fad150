//! Images that lie in memory, one after another, as the fixed-size containers hold them.

use super::fingerprint::Fingerprint;
use super::image_set::PictureReader;
use super::{DataError, ImageShape, Pixels};

/// Equal-sized images in one block of bytes, `[n, height, width, channels]`.
pub(super) struct Table {
    shape: ImageShape,
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

/// A run of images that came from one file.
pub(super) struct Part {
    /// The file.
    pub(super) name: String,
    /// How many images of the table came from it.
    pub(super) len: usize,
}

impl Table {
    /// `bytes` must hold a whole number of images, as many as the parts say together.
    pub(super) fn new(shape: ImageShape, bytes: Vec<u8>, parts: Vec<Part>) -> Self {
        debug_assert_eq!(bytes.len(), shape.n_values() * parts.iter().map(|p| p.len).sum::<usize>());
        Self { shape, bytes, parts }
    }

    fn record(&self, index: usize) -> &[u8] {
        let n_values = self.shape.n_values();
        &self.bytes[index * n_values..(index + 1) * n_values]
    }
}

impl PictureReader for Table {
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len).sum()
    }

    fn channels(&self) -> usize {
        self.shape.channels
    }

    fn uniform_size(&self) -> Option<(usize, usize)> {
        Some((self.shape.height, self.shape.width))
    }

    fn size(&self, _index: usize) -> Result<(usize, usize), DataError> {
        Ok((self.shape.height, self.shape.width))
    }

    fn pixels(&self, index: usize) -> Result<Pixels, DataError> {
        Ok(Pixels::trusted(self.shape, self.record(index).to_vec()))
    }

    fn source(&self, index: usize) -> String {
        let mut record = index;
        for part in &self.parts {
            if record < part.len {
                return format!("{}, record {record}", part.name);
            }
            record -= part.len;
        }
        format!("record {index}")
    }

    /// Records have no names but their places.
    fn digest(&self, index: usize, hasher: &mut Fingerprint) {
        hasher.number(self.shape.height);
        hasher.number(self.shape.width);
        hasher.number(self.shape.channels);
        hasher.bytes(self.record(index));
    }
}
