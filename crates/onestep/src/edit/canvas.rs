//! From a picture of any size to the model's, and back.

use serde::{Deserialize, Serialize};

use super::EditError;
use crate::data::{ImageShape, Pixels};
use crate::size::ImageSize;

/// How a picture that is not of the model's shape is brought to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CanvasFit {
    /// The largest part of the model's shape in the middle, resized; what lies outside is left alone.
    #[default]
    Crop,
    /// All of it, resized, with its border repeated up to the model's shape.
    Pad,
}

/// A picture, and the part of it that the model gets to see.
#[derive(Debug, Clone)]
pub struct Canvas {
    original: Pixels,
    fit: CanvasFit,
    size: ImageSize,
}

impl Canvas {
    /// Lays a picture out for a model whose images have this size; a number is a square.
    pub fn new(original: Pixels, fit: CanvasFit, size: impl Into<ImageSize>) -> Self {
        Self { original, fit, size: size.into() }
    }

    /// The picture as it was given.
    pub fn original(&self) -> &Pixels {
        &self.original
    }

    /// Whether the model sees every pixel as it is.
    pub fn is_exact(&self) -> bool {
        self.original.size() == self.size
    }

    /// What the model sees: an image of its size.
    pub fn seen(&self) -> Pixels {
        if self.is_exact() {
            return self.original.clone();
        }
        match self.fit {
            CanvasFit::Crop => {
                let [top, left, rows, columns] = self.region();
                self.original.cropped(top, left, rows, columns).resized(self.size.height, self.size.width)
            }
            CanvasFit::Pad => {
                let [top, left, rows, columns] = self.inner();
                let small = self.original.clone().resized(rows, columns);
                let channels = small.shape().channels;
                let inside = |at: usize, before: usize, n: usize| at.saturating_sub(before).min(n - 1);
                let pixel = |y: usize, x: usize| {
                    let from = (inside(y, top, rows) * columns + inside(x, left, columns)) * channels;
                    &small.bytes()[from..from + channels]
                };
                let places = (0..self.size.height).flat_map(|y| (0..self.size.width).map(move |x| (y, x)));
                let bytes = places.flat_map(|(y, x)| pixel(y, x)).copied().collect();
                let shape = ImageShape { height: self.size.height, width: self.size.width, channels };
                Pixels::new(shape, bytes).expect("as many bytes as pixels")
            }
        }
    }

    /// As [`Canvas::seen`], of [`Canvas::without`], so that nothing of the unknown pixels bleeds into their neighbors when the
    /// picture is shrunk.
    ///
    /// # Errors
    ///
    /// As [`Canvas::known`].
    pub fn seen_without(&self, unknown: &[bool]) -> Result<Pixels, EditError> {
        Ok(Self { original: self.without(unknown)?, ..*self }.seen())
    }

    /// The picture with the mean color of the other pixels in place of those that `unknown` marks.
    ///
    /// # Errors
    ///
    /// As [`Canvas::known`].
    pub fn without(&self, unknown: &[bool]) -> Result<Pixels, EditError> {
        self.check(unknown)?;
        let channels = self.original.shape().channels;
        let mut bytes = self.original.bytes().to_vec();
        let mut sums = vec![0u64; channels];
        let mut count = 0;
        for (pixel, _) in bytes.chunks_exact(channels).zip(unknown).filter(|(_, unknown)| !**unknown) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &byte)| *sum += u64::from(byte));
            count += 1;
        }
        let mean: Vec<u8> =
            sums.iter().map(|sum| sum.checked_div(count).map_or(127, |mean| mean as u8)).collect();
        for (pixel, _) in bytes.chunks_exact_mut(channels).zip(unknown).filter(|(_, unknown)| **unknown) {
            pixel.copy_from_slice(&mean);
        }
        Ok(Pixels::new(self.original.shape(), bytes).expect("as many bytes as before"))
    }

    fn check(&self, unknown: &[bool]) -> Result<(), EditError> {
        let ImageShape { height, width, .. } = self.original.shape();
        if unknown.len() == height * width {
            return Ok(());
        }
        let found = format!("of {} pixels", unknown.len());
        Err(EditError::MaskSize { found, expected: format!("{width}x{height}") })
    }

    /// A mask over the original as the model sees it: a pixel is known if all of the original under it is. Padding is known.
    ///
    /// # Errors
    ///
    /// [`EditError::MaskSize`] if the mask is not of the original's size.
    ///
    /// # Shapes
    ///
    /// `unknown`: `[height, width]` of the original, flat; returns `[height, width]` of the model with 1 for known and 0 for unknown.
    pub fn known(&self, unknown: &[bool]) -> Result<Vec<f32>, EditError> {
        self.check(unknown)?;
        let width = self.original.shape().width;
        let mut known = vec![1.0; self.size.height * self.size.width];
        for (index, _) in unknown.iter().enumerate().filter(|(_, unknown)| **unknown) {
            let (y, x) = (index / width, index % width);
            let Some([rows, columns]) = self.cells(y, x) else { continue };
            for row in rows.0..=rows.1 {
                let row = row * self.size.width;
                known[row + columns.0..=row + columns.1].fill(0.0);
            }
        }
        Ok(known)
    }

    /// The original with the model's picture laid over the part that the model saw, enlarged to fit; with `unknown`, only over
    /// the pixels it marks, so that every other pixel keeps its bytes.
    ///
    /// # Shapes
    ///
    /// `drawn`: an image of the model's size, grey or in color as the original; `unknown`: as in [`Canvas::known`].
    pub fn paste(&self, drawn: &Pixels, unknown: Option<&[bool]>) -> Pixels {
        let whole = self.original.shape();
        let [top, left, rows, columns] = self.region();
        let part = match self.fit {
            CanvasFit::Crop => drawn.clone(),
            CanvasFit::Pad => {
                let [top, left, rows, columns] = self.inner();
                drawn.cropped(top, left, rows, columns)
            }
        };
        let part = part.resized(rows, columns);
        let channels = whole.channels.max(part.shape().channels);
        let [whole_image, part] = [self.original.clone(), part]
            .map(|pixels| if channels == 3 { pixels.into_rgb() } else { pixels });
        let mut bytes = whole_image.into_bytes();
        for row in 0..rows {
            for column in 0..columns {
                let at = (top + row) * whole.width + left + column;
                if unknown.is_none_or(|unknown| unknown[at]) {
                    let from = (row * columns + column) * channels;
                    bytes[at * channels..(at + 1) * channels]
                        .copy_from_slice(&part.bytes()[from..from + channels]);
                }
            }
        }
        let shape = ImageShape { channels, ..whole };
        Pixels::new(shape, bytes).expect("as many bytes as the original")
    }

    /// The part of the original that the model sees: top, left, rows, columns.
    fn region(&self) -> [usize; 4] {
        let whole = self.original.size();
        match self.fit {
            CanvasFit::Crop => self.size.middle_of(whole),
            CanvasFit::Pad => [0, 0, whole.height, whole.width],
        }
    }

    /// Where on the model's picture the original lies when it is padded: top, left, rows, columns.
    fn inner(&self) -> [usize; 4] {
        self.size.place_of(self.original.size())
    }

    /// The model's pixels that a pixel of the original touches: first and last row, first and last column.
    fn cells(&self, y: usize, x: usize) -> Option<[(usize, usize); 2]> {
        let [top, left, rows, columns] = self.region();
        let [inner_top, inner_left, inner_rows, inner_columns] = match self.fit {
            CanvasFit::Crop => [0, 0, self.size.height, self.size.width],
            CanvasFit::Pad => self.inner(),
        };
        let y = y.checked_sub(top).filter(|y| *y < rows)?;
        let x = x.checked_sub(left).filter(|x| *x < columns)?;
        let cell = |at: usize, n: usize, inner: usize, before: usize| {
            let first = at * inner / n;
            let last = ((at + 1) * inner - 1) / n;
            (before + first, before + last.min(inner - 1))
        };
        Some([cell(y, rows, inner_rows, inner_top), cell(x, columns, inner_columns, inner_left)])
    }
}
