//! The tiles that a convolution is cut into, where the method is worth while.

use super::super::geometry::Geometry;
use crate::simd::Precision;

/// The tiles of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// Rows and columns of outputs of a tile: 2 or 4.
    pub outputs: usize,
    /// Tiles in a column and in a row of an image.
    pub tiles: [usize; 2],
}

impl Tiling {
    /// The tiles of a convolution that the method is worth while for, by the shape of one sample alone.
    pub(crate) fn choose(geometry: &Geometry, precision: Precision) -> Option<Self> {
        // Below so many tiles an image, reading the mapped weights takes longer than the products with them.
        const ENOUGH: usize = 16;
        Self::smallest_with(geometry, precision, ENOUGH)
    }

    /// The same for sums over a whole batch, for which the weights are mapped only once.
    pub(crate) fn choose_for_batch(geometry: &Geometry, precision: Precision) -> Option<Self> {
        Self::smallest_with(geometry, precision, 64usize.div_ceil(geometry.batch.max(1)))
    }

    fn smallest_with(geometry: &Geometry, precision: Precision, enough: usize) -> Option<Self> {
        let suited = geometry.kernel == [3, 3]
            && geometry.options.stride == 1
            && geometry.options.padding.iter().all(|&padding| padding <= 2)
            && geometry.inputs >= 16;
        if !suited {
            return None;
        }
        let size = geometry.output_size();
        // Rounding what was mapped costs tiles of four 3.6 times the error of rounding the pixels themselves, tiles of two 1.2
        // times: too much and little enough.
        let sizes: &[usize] = match precision {
            Precision::F32 => &[4, 2],
            Precision::Bf16 => &[2],
        };
        (sizes.iter().copied())
            .map(|outputs| Self { outputs, tiles: size.map(|size| size.div_ceil(outputs)) })
            .filter(|tiling| tiling.per_image() >= enough)
            // Tiles that reach far beyond the image are products for nothing.
            .find(|tiling| 4 * tiling.places() * tiling.per_image() <= 3 * 9 * size[0] * size[1])
    }

    /// Products of a tile for each pair of channels.
    pub(crate) fn places(&self) -> usize {
        (self.outputs + 2) * (self.outputs + 2)
    }

    pub(crate) fn per_image(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }
}
