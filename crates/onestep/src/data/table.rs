//! Images that lie one after another, as the fixed-size containers hold them.

use std::io;

use super::fingerprint::Fingerprint;
use super::image_set::PictureReader;
use super::store::Store;
use super::{DataError, ImageShape, Pixels};

/// Equal-sized images in one block of bytes, `[n, height, width, channels]`.
pub(super) struct Table {
    shape: ImageShape,
    store: Store,
    parts: Vec<Part>,
    read_as: Option<String>,
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
    pub(super) fn new(shape: ImageShape, bytes: impl Into<Store>, parts: Vec<Part>) -> Self {
        let store = bytes.into();
        let n_images: usize = parts.iter().map(|part| part.len).sum();
        debug_assert_eq!(store.n_bytes(), (shape.n_values() * n_images) as u64);
        Self { shape, store, parts, read_as: None }
    }

    /// The same, with what the file was understood to hold.
    pub(super) fn read_as(self, read_as: String) -> Self {
        Self { read_as: Some(read_as), ..self }
    }

    fn record(&self, index: usize) -> io::Result<Vec<u8>> {
        let n_values = self.shape.n_values();
        self.store.read((index * n_values) as u64, n_values)
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
        self.record(index)
            .map(|bytes| Pixels::trusted(self.shape, bytes))
            .map_err(|error| DataError::Read { path: self.source(index).into(), source: error })
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
        match self.record(index) {
            Ok(bytes) => hasher.bytes(&bytes),
            // Whoever asks for the image is told why.
            Err(_) => hasher.bytes(b"unreadable"),
        }
    }

    fn read_as(&self) -> Option<String> {
        self.read_as.clone()
    }
}
