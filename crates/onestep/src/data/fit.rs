//! Pictures of any shape, brought to the one that a model learns.

use serde::{Deserialize, Serialize};

use super::image::MAX_SIDE;
use super::{ImageShape, Pixels};
use crate::size::ImageSize;

/// How a picture of another shape is brought to the size of the images to learn from.
///
/// Pictures that are edited go another way, [`CanvasFit`](crate::edit::CanvasFit): they have to come back, and what is added
/// around them must look like more of them, where images to learn from must not teach a model smeared borders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The largest middle part of the size's aspect ratio, resized.
    #[default]
    Crop,
    /// All of it, as large as fits, in the middle; what it does not cover is black.
    Pad,
    /// All of it, resized along each side as much as that side needs.
    Stretch,
}

impl Pixels {
    /// The image brought to a size, of at most [`MAX_SIDE`] (Lanczos, which smooths as it shrinks).
    ///
    /// # Source
    ///
    /// [`Fit::Crop`]: the `center-crop` transform of EDM's dataset tool: crop first, then resize. In this order a picture of
    /// 16,384 by 1 pixels costs nothing. [`Fit::Pad`]: black borders, as in its `center-crop-wide`.
    pub fn fit(self, fit: Fit, size: ImageSize) -> Self {
        let [rows, columns] = [size.height, size.width].map(|side| side.clamp(1, MAX_SIDE));
        let ImageShape { height, width, .. } = self.shape();
        // `side * to / of`, rounded to nearest.
        let scaled = |side: usize, to: usize, of: usize| ((2 * side * to + of) / (2 * of)).max(1);
        let is_too_tall = height * columns > width * rows;
        match fit {
            Fit::Stretch => self.resized(rows, columns),
            Fit::Crop if is_too_tall => {
                let kept = scaled(width, rows, columns);
                self.cropped((height - kept.min(height)) / 2, 0, kept, width).resized(rows, columns)
            }
            Fit::Crop => {
                let kept = scaled(height, columns, rows);
                self.cropped(0, (width - kept.min(width)) / 2, height, kept).resized(rows, columns)
            }
            Fit::Pad if is_too_tall => {
                self.resized(rows, scaled(width, rows, height).min(columns)).on_black(rows, columns)
            }
            Fit::Pad => {
                self.resized(scaled(height, columns, width).min(rows), columns).on_black(rows, columns)
            }
        }
    }

    /// The image in the middle of a black one of so many rows and columns, no fewer than its own.
    fn on_black(self, rows: usize, columns: usize) -> Self {
        let ImageShape { height, width, channels } = self.shape();
        if (height, width) == (rows, columns) {
            return self;
        }
        let (top, left) = ((rows - height) / 2, (columns - width) / 2);
        let shape = ImageShape { height: rows, width: columns, channels };
        let mut bytes = vec![0; shape.n_values()];
        for (row, line) in self.bytes().chunks_exact(width * channels).enumerate() {
            let start = ((top + row) * columns + left) * channels;
            bytes[start..start + line.len()].copy_from_slice(line);
        }
        Self::trusted(shape, bytes)
    }
}
