//! The weight gradient by Winograd's method.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::super::geometry::Geometry;
use super::super::norm::Source;
use super::inputs::{Planes, Tiled};
use super::tiling::Tiling;
use crate::blocking::{Groups, Shared, each, filled, fold, spread, with_scratch};
use crate::loops::{GradientJob, Kernels, Product, TapsJob};
use crate::simd::Precision;

/// The gradient of the weights, `[3, 3, inputs, outputs]`.
///
/// Where all sums of a layer fit into a core's cache, groups of rows of tiles are mapped and multiplied by one thread each, and
/// their gradients added up. The sums of larger layers are one thread's for each place of a tile, for which all threads map the
/// tiles. Either way tiles are mapped a block at a time, so that memory does not grow with the batch, and how blocks and groups
/// are cut depends on shapes alone.
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
    let (all, length) = (tiled.rows(), geometry.weight_shape().iter().product());
    if all * tiling.tiles[1] * length == 0 {
        return vec![0.0; length];
    }
    let sums = tiling.places() * geometry.inputs * kernels.padded(geometry.outputs);
    // Rows of 32 tiles at least are work enough for a sum of its own.
    let groups = Groups::new(all, 32usize.div_ceil(tiling.tiles[1]), length);
    if sums > IN_CACHE || groups.count < FEWEST {
        // SAFETY: the one task writes all taps.
        return unsafe { filled(length, 1, |_, taps| of_rows(&tiled, gradient, 0..all, BLOCK, taps)) };
    }
    let task = |group: usize, taps: Shared| {
        // SAFETY: each group has taps of its own.
        let taps = unsafe { Shared::new(taps.slice(group * length, length)) };
        of_rows(&tiled, gradient, groups.strips(group), STRIP, taps);
    };
    // SAFETY: the tasks are all groups, and each writes its taps whole.
    fold(unsafe { filled(groups.count * length, groups.count, task) }, length)
}

/// Groups below which many threads would have nothing to do.
const FEWEST: usize = if cfg!(test) { 2 } else { 8 };
/// Numbers of the sums of a layer that stay in the second-level cache, with the mapped tiles of a strip beside them.
const IN_CACHE: usize = if cfg!(test) { 16 * 1024 } else { 160 * 1024 };
/// Numbers of mapped tiles that do.
const STRIP: usize = if cfg!(test) { 8 * 1024 } else { 72 * 1024 };
/// Numbers of mapped tiles of a large layer, about 12 MB; few in tests, so that they see several blocks.
const BLOCK: usize = if cfg!(test) { 16 * 1024 } else { 3 * 1024 * 1024 };

/// Writes the gradient by some rows of tiles to `taps`, which is as long as the weights; `numbers` of mapped tiles at a time.
fn of_rows(tiled: &Tiled, gradient: &[f32], rows: Range<usize>, numbers: usize, taps: Shared) {
    let buffer = Buffer::new(tiled, rows.len(), numbers);
    with_scratch(buffer.length(), |scratch| {
        let scratch = Shared::new(scratch);
        for first in rows.clone().step_by(buffer.block) {
            let count = buffer.block.min(rows.end - first);
            // SAFETY: the scratch is as long as the buffer says and this call's alone, the slices were checked against the
            // geometry, and no block has more rows than the buffer has room for.
            unsafe {
                buffer.map(tiled, gradient, [first, count], scratch);
                buffer.add_products(tiled, count, first > rows.start, scratch);
            }
        }
        // SAFETY: there was a block, and all of them have added to all sums.
        unsafe { buffer.taps(tiled, scratch, taps) };
    });
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
    /// For `rows` rows of tiles, of which blocks have `numbers` mapped numbers.
    fn new(tiled: &Tiled, rows: usize, numbers: usize) -> Self {
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let (places, per_row, inputs) = (tiling.places(), tiling.tiles[1], geometry.inputs);
        let padded = kernels.padded(geometry.outputs);
        let block = (numbers / (places * (inputs + geometry.outputs)) / per_row).clamp(1, rows);
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

    /// Adds the products of what was mapped to the sums, or begins them.
    ///
    /// # Safety
    ///
    /// `scratch` is as for [`Self::map`], which has just mapped so many rows.
    unsafe fn add_products(&self, tiled: &Tiled, rows: usize, accumulate: bool, scratch: Shared) {
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
                        accumulate,
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
    /// `scratch` is as for [`Self::map`], and holds the sums of all blocks; `taps` is as long as the weights and nobody else's.
    unsafe fn taps(&self, tiled: &Tiled, scratch: Shared, taps: Shared) {
        const ROWS: usize = 8;
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let (inputs, outputs) = (geometry.inputs, geometry.outputs);
        each(inputs.div_ceil(ROWS), |task| {
            for row in task * ROWS..((task + 1) * ROWS).min(inputs) {
                // SAFETY: rows of sums are whole vectors long; the row of each tap in the result is this task's alone, and the
                // loop writes no column beyond the outputs.
                unsafe {
                    (kernels.winograd(tiling.outputs).taps)(&TapsJob {
                        source: scratch.pointer(self.sums() + row * self.padded),
                        plane: self.sum_plane,
                        columns: outputs,
                        target: taps.pointer(row * outputs),
                        tap: inputs * outputs,
                    });
                }
            }
        });
    }
}
