//! The weight gradient by Winograd's method.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use super::super::geometry::Geometry;
use super::super::norm::Source;
use super::inputs::{Planes, Tiled};
use super::tiling::Tiling;
use crate::blocking::{Shared, each, filled, spread, with_scratch};
use crate::loops::{GradientJob, Kernels, Product, TapsJob};
use crate::simd::Precision;

/// The gradient of the weights, `[3, 3, inputs, outputs]`.
///
/// Tiles are mapped a block at a time, so that memory does not grow with the batch; within a block the products of all
/// places run side by side. How blocks are cut depends on shapes alone.
pub(crate) fn weight_gradient(
    kernels: &Kernels,
    geometry: &Geometry,
    tiling: &Tiling,
    source: &Source,
    gradient: &[f32],
) -> Vec<f32> {
    assert_eq!(source.images.values.len(), geometry.input_shape().iter().product::<usize>());
    assert_eq!(gradient.len(), geometry.output_shape().iter().product::<usize>());
    let tiled = Tiled { kernels, geometry, tiling, source };
    let all = tiled.rows();
    if all * tiling.tiles[1] == 0 {
        return vec![0.0; geometry.weight_shape().iter().product()];
    }
    let buffer = Buffer::new(&tiled);
    with_scratch(buffer.length(), |scratch| {
        let scratch = Shared::new(scratch);
        for first in (0..all).step_by(buffer.block) {
            let rows = buffer.block.min(all - first);
            // SAFETY: the scratch is as long as the buffer says and this call's alone, the slices were checked against the
            // geometry, and no block has more rows than the buffer has room for.
            unsafe {
                buffer.map(&tiled, gradient, [first, rows], scratch);
                buffer.add_products(&tiled, [first, rows], scratch);
            }
        }
        // SAFETY: there was a block, and all of them have added to all sums.
        unsafe { buffer.taps(&tiled, scratch) }
    })
}

/// What a block of rows of tiles needs room for: mapped inputs, mapped output gradients, and the sums of their products over
/// all blocks; each of these a plane for each place of a tile, one behind the other.
struct Buffer {
    places: usize,
    /// Rows of tiles of a block.
    block: usize,
    left_row: usize,
    left_plane: usize,
    right_plane: usize,
    sum_plane: usize,
    /// Output channels with the padding of the last panel.
    padded: usize,
}

impl Buffer {
    fn new(tiled: &Tiled) -> Self {
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let (places, per_row, inputs) = (tiling.places(), tiling.tiles[1], geometry.inputs);
        let padded = kernels.padded(geometry.outputs);
        // About 12 MB of mapped tiles; few in tests, so that they see several blocks.
        const NUMBERS: usize = if cfg!(test) { 16 * 1024 } else { 3 * 1024 * 1024 };
        let block = (NUMBERS / (places * (inputs + geometry.outputs)) / per_row).clamp(1, tiled.rows());
        let (tiles, left_row) = (block * per_row, spread(inputs));
        let (left_plane, right_plane) = (spread(tiles * left_row), spread(tiles * padded));
        Self { places, block, left_row, left_plane, right_plane, sum_plane: inputs * padded + 16, padded }
    }

    fn length(&self) -> usize {
        self.places * (self.left_plane + self.right_plane + self.sum_plane)
    }

    /// Where the mapped output gradients begin.
    fn right(&self) -> usize {
        self.places * self.left_plane
    }

    /// Where the sums begin.
    fn sums(&self) -> usize {
        self.places * (self.left_plane + self.right_plane)
    }

    /// Maps the inputs and the output gradients of `rows` rows of tiles from `first` on.
    ///
    /// # Safety
    ///
    /// `scratch` is as long as [`Self::length`] and nobody else's, there are no more rows than a block has, and `gradient` is
    /// like the output.
    unsafe fn map(&self, tiled: &Tiled, gradient: &[f32], [first, rows]: [usize; 2], scratch: Shared) {
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let ([height, width], outputs) = (geometry.output_size(), geometry.outputs);
        let (per_row, panel) = (tiling.tiles[1], kernels.panel());
        // Of at least 16 tiles.
        let run = 16usize.div_ceil(per_row);
        each(rows.div_ceil(run), |index| {
            let run = index * run..((index + 1) * run).min(rows);
            let target = run.start * per_row * self.left_row;
            let precision = Precision::F32;
            let planes = Planes { target, plane: self.left_plane, tile: self.left_row, precision };
            // SAFETY: the planes of both sides have room for the tiles of a block, of which this task writes those of its run;
            // whole vectors of outputs end with their panel.
            unsafe {
                tiled.map(first + run.start..first + run.end, planes, scratch);
                for row in run {
                    let [image, y] = tiled.place(first + row);
                    (kernels.winograd(tiling.outputs).gradient)(&GradientJob {
                        source: gradient.as_ptr().add((image * height + y) * width * outputs),
                        row: width * outputs,
                        tiles: per_row,
                        channels: outputs,
                        height: height - y,
                        width,
                        target: scratch.pointer(self.right()),
                        first: row * per_row,
                        plane: self.right_plane,
                        panel,
                        next_panel: rows * per_row * panel,
                    });
                }
            }
        });
    }

    /// Adds the products of what was mapped to the sums, which the first block begins.
    ///
    /// # Safety
    ///
    /// `scratch` is as for [`Self::map`], which has just mapped these rows.
    unsafe fn add_products(&self, tiled: &Tiled, [first, rows]: [usize; 2], scratch: Shared) {
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let (inputs, outputs, n_tiles) = (geometry.inputs, geometry.outputs, rows * tiling.tiles[1]);
        // A place after the other on each thread; tall blocks of rows, so that a panel is read from cache.
        let chunk = inputs.div_ceil(inputs.div_ceil(192));
        let chunks = inputs.div_ceil(chunk);
        each(self.places * chunks, |task| {
            let (place, row) = (task / chunks, task % chunks * chunk);
            for column in (0..outputs).step_by(kernels.panel()) {
                let panel = self.right() + place * self.right_plane + column * n_tiles;
                let target = self.sums() + place * self.sum_plane + row * self.padded + column;
                // SAFETY: the tiles of the block were mapped on both sides; the sums have room for whole panels; and no two
                // tasks have a place and a row of it in common.
                unsafe {
                    let job = Product {
                        left: scratch.pointer(place * self.left_plane + row),
                        left_stride: self.left_row,
                        panel: scratch.pointer(panel),
                        depth: n_tiles,
                        target: scratch.pointer(target),
                        target_stride: self.padded,
                        rows: chunk.min(inputs - row),
                        accumulate: first > 0,
                    };
                    kernels.product(true, kernels.panel_at(column, outputs), &job);
                }
            }
        });
    }

    /// Maps the sums back to taps.
    ///
    /// # Safety
    ///
    /// `scratch` is as for [`Self::map`], and holds the sums of all blocks.
    unsafe fn taps(&self, tiled: &Tiled, scratch: Shared) -> Vec<f32> {
        const ROWS: usize = 8;
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let (inputs, outputs) = (geometry.inputs, geometry.outputs);
        let task = |task: usize, shared: Shared| {
            for row in task * ROWS..((task + 1) * ROWS).min(inputs) {
                // SAFETY: rows of sums are whole vectors long; the row of each tap in the result is this task's alone, and the
                // loop writes no column beyond the outputs.
                unsafe {
                    (kernels.winograd(tiling.outputs).taps)(&TapsJob {
                        source: scratch.pointer(self.sums() + row * self.padded),
                        plane: self.sum_plane,
                        columns: outputs,
                        target: shared.pointer(row * outputs),
                        tap: inputs * outputs,
                    });
                }
            }
        };
        // SAFETY: the tasks are all rows, and each writes its rows of all nine taps.
        unsafe { filled(9 * inputs * outputs, inputs.div_ceil(ROWS), task) }
    }
}
