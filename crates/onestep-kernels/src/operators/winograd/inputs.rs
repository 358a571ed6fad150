//! Pixels to mapped tiles: the left side of the products.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::super::geometry::Geometry;
use super::super::norm::Source;
use super::tiling::Tiling;
use crate::blocking::{Shared, with_scratch};
use crate::loops::{InputJob, Kernels};
use crate::simd::Precision;

/// A convolution cut into tiles, and the images it reads.
#[derive(Clone, Copy)]
pub(super) struct Tiled<'a> {
    pub kernels: &'a Kernels,
    pub geometry: &'a Geometry,
    pub tiling: &'a Tiling,
    pub source: &'a Source<'a>,
}

/// Where the mapped tiles of a run go in a buffer: the first place of the first tile, then from one place to the next and
/// from one tile to the next.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub target: usize,
    pub plane: usize,
    pub tile: usize,
    pub precision: Precision,
}

impl Tiled<'_> {
    /// Rows of tiles of the batch.
    pub(super) fn rows(&self) -> usize {
        self.geometry.batch * self.tiling.tiles[0]
    }

    /// The image and the first row of outputs of a row of tiles.
    pub(super) fn place(&self, row: usize) -> [usize; 2] {
        [row / self.tiling.tiles[0], row % self.tiling.tiles[0] * self.tiling.outputs]
    }

    /// Packs the pixels that some rows of tiles of one image see, with the border: `[rows · outputs + 2, width, inputs]`.
    fn pack(&self, image: usize, rows: Range<usize>, target: &mut [f32]) {
        let ([height, width], depth) = (self.geometry.size, self.geometry.inputs);
        let [top, _, left, _] = self.geometry.options.padding;
        let target_row = (self.tiling.tiles[1] * self.tiling.outputs + 2) * depth;
        let first = rows.start * self.tiling.outputs;
        let n_rows = rows.len() * self.tiling.outputs + 2;
        for (y, target) in target[..n_rows * target_row].chunks_exact_mut(target_row).enumerate() {
            let Some(y) = (first + y).checked_sub(top).filter(|&y| y < height) else {
                target.fill(0.0);
                continue;
            };
            let pixels = &self.source.images.values[(image * height + y) * width * depth..][..width * depth];
            let (before, rest) = target.split_at_mut(left * depth);
            let (inside, after) = rest.split_at_mut(width * depth);
            before.fill(0.0);
            after.fill(0.0);
            self.source.read(image, pixels, inside);
        }
    }

    /// Maps a run of rows of tiles, counted through the batch, to products in `shared`, in f32 or rounded to pairs.
    ///
    /// # Safety
    ///
    /// From `planes.target` on the buffer holds [`Tiling::places`] planes of the run's tiles, each tile of whole vectors of the
    /// inputs, or of their pairs; and nobody else touches these tiles.
    pub(super) unsafe fn map(&self, run: Range<usize>, planes: Planes, shared: Shared) {
        let Self { kernels, tiling, .. } = *self;
        let depth = self.geometry.inputs;
        let pixels = tiling.tiles[1] * tiling.outputs + 2;
        let length = (run.len() * tiling.outputs + 2) * pixels * depth;
        let rounded = planes.precision == Precision::Bf16;
        let map = kernels.winograd(tiling.outputs).input[usize::from(rounded)];
        with_scratch(length, |packed| {
            let mut row = run.start;
            while row < run.end {
                let (image, first) = (row / tiling.tiles[0], row % tiling.tiles[0]);
                let count = (run.end - row).min(tiling.tiles[0] - first);
                self.pack(image, first..first + count, packed);
                for index in 0..count {
                    let place = planes.target + (row - run.start + index) * tiling.tiles[1] * planes.tile;
                    // SAFETY: the packed rows reach to the border of the last tile; the target is what the caller promises.
                    unsafe {
                        map(&InputJob {
                            source: packed.as_ptr().add(index * tiling.outputs * pixels * depth),
                            row: pixels * depth,
                            pixel: depth,
                            tiles: tiling.tiles[1],
                            channels: depth,
                            target: shared.pointer(place),
                            plane: planes.plane,
                            tile: planes.tile,
                        });
                    }
                }
                row += count;
            }
        });
    }
}
