//! Samples: what was drawn, and its way into files that people look at.

use std::path::Path;

#[cfg(feature = "formats")]
use super::sample_npz::SampleNpz;
use crate::data::{DataError, ImageShape, Pixels, Rounding, Sheet};

/// Samples in the order of their seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// `[n, height, width, channels]`, flat; images in [-1, 1].
    pub values: Vec<f32>,
    /// Shape of one sample.
    pub shape: ImageShape,
    /// Seed of each sample.
    pub seeds: Vec<u64>,
    /// Class of each sample, for class-conditional models.
    pub labels: Option<Vec<usize>>,
}

impl Samples {
    /// The values of one sample, `[height, width, channels]`.
    pub fn values_of(&self, index: usize) -> &[f32] {
        let n = self.shape.n_values();
        &self.values[index * n..(index + 1) * n]
    }

    /// The samples as images in bytes.
    ///
    /// # Errors
    ///
    /// As [`Pixels::new`], for points and other shapes that are no images.
    pub fn pixels(&self, rounding: Rounding) -> Result<Vec<Pixels>, DataError> {
        let images = self.values.chunks_exact(self.shape.n_values().max(1));
        images.map(|values| Pixels::from_values(values, self.shape, rounding)).collect()
    }

    /// The samples as one picture with so many columns; points become a scatter plot.
    pub fn grid(&self, columns: usize) -> SampleGrid<'_> {
        SampleGrid { samples: self, sheet: Sheet { columns: Some(columns), scale: None } }
    }

    /// The samples as one picture that looks after itself: close to a square, and large enough to see.
    pub fn sheet(&self) -> SampleGrid<'_> {
        SampleGrid { samples: self, sheet: Sheet::AUTO }
    }

    /// Writes samples and labels as an npz, images in bytes or points in f32 as `arr_0`, classes as `arr_1`: what published
    /// evaluation programs take.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`] if the file cannot be written.
    #[cfg(feature = "formats")]
    pub fn save_npz(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let mut npz = SampleNpz::create(path.as_ref(), self.seeds.len(), self.shape)?;
        npz.extend(&self.values)?;
        npz.finish(self.labels.as_deref())
    }
}

/// Samples laid out as one picture.
#[derive(Debug, Clone, Copy)]
pub struct SampleGrid<'a> {
    samples: &'a Samples,
    sheet: Sheet,
}

impl SampleGrid<'_> {
    /// The grid with every pixel as a square of so many pixels a side; without it, small images become large enough to see.
    #[must_use]
    pub fn scale(mut self, scale: usize) -> Self {
        self.sheet.scale = Some(scale);
        self
    }

    /// The picture.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] for no samples, or a picture that would be too large.
    pub fn draw(&self) -> Result<Pixels, DataError> {
        self.sheet.draw(&self.samples.values, self.samples.shape)
    }

    /// Writes the picture as a PNG, creating its folder where needed.
    ///
    /// # Errors
    ///
    /// As [`SampleGrid::draw`]; [`DataError::Write`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        self.sheet.write(path.as_ref(), &self.samples.values, self.samples.shape, None)
    }
}
