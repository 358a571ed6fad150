//! Samples as a numpy archive that grows with them.

use std::path::Path;

use crate::data::image::bytes_from_values;
use crate::data::{DataError, ImageShape, NpzWriter, Rounding};

/// An npz of samples: `arr_0` holds images as `uint8`, `[n, height, width, channels]`, or points as `float32`, `[n, channels]`;
/// `arr_1` their classes.
pub(crate) struct SampleNpz {
    writer: NpzWriter,
    n: usize,
    shape: ImageShape,
}

impl SampleNpz {
    /// Begins the file of so many samples.
    pub(crate) fn create(path: &Path, n: usize, shape: ImageShape) -> Result<Self, DataError> {
        let ImageShape { height, width, channels } = shape;
        let mut writer = NpzWriter::create(path)?;
        if are_points(shape) {
            writer.begin("arr_0", "<f4", 4, vec![n, channels])?;
        } else {
            writer.begin("arr_0", "|u1", 1, vec![n, height, width, channels])?;
        }
        Ok(Self { writer, n, shape })
    }

    /// The next samples, `[height, width, channels]` each, flat.
    pub(crate) fn extend(&mut self, values: &[f32]) -> Result<(), DataError> {
        self.extend_bytes(&npz_bytes(values, self.shape))
    }

    /// The next samples as they stand in the file.
    pub(crate) fn extend_bytes(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.writer.extend(bytes)
    }

    /// Ends the file, with a class for each sample where there are classes.
    pub(crate) fn finish(mut self, labels: Option<&[usize]>) -> Result<(), DataError> {
        if let Some(labels) = labels {
            self.writer.begin("arr_1", "<i8", 8, vec![self.n])?;
            for label in labels {
                self.writer.extend(&(*label as i64).to_le_bytes())?;
            }
        }
        self.writer.finish()
    }
}

fn are_points(shape: ImageShape) -> bool {
    shape.height * shape.width == 1
}

/// Samples, `[height, width, channels]` each, flat, as they stand in the file.
pub(crate) fn npz_bytes(values: &[f32], shape: ImageShape) -> Vec<u8> {
    match are_points(shape) {
        true => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        false => bytes_from_values(values, Rounding::Truncate),
    }
}
