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
        let size = ImageSize { height: size.height.clamp(1, MAX_SIDE), width: size.width.clamp(1, MAX_SIDE) };
        match fit {
            Fit::Stretch => self.resized(size.height, size.width),
            Fit::Crop => {
                let [top, left, rows, columns] = size.middle_of(self.size());
                self.cropped(top, left, rows, columns).resized(size.height, size.width)
            }
            Fit::Pad => {
                let [top, left, rows, columns] = size.place_of(self.size());
                self.resized(rows, columns).on_black(size, top, left)
            }
        }
    }

    /// The image on a black one of this size, from `top` and `left` on.
    fn on_black(self, size: ImageSize, top: usize, left: usize) -> Self {
        if self.size() == size {
            return self;
        }
        let ImageShape { width, channels, .. } = self.shape();
        let shape = ImageShape { height: size.height, width: size.width, channels };
        let mut bytes = vec![0; shape.n_values()];
        for (row, line) in self.bytes().chunks_exact(width * channels).enumerate() {
            let start = ((top + row) * size.width + left) * channels;
            bytes[start..start + line.len()].copy_from_slice(line);
        }
        Self::trusted(shape, bytes)
    }
}
