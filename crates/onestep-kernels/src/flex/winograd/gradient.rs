//! The weight gradient by Winograd's method.

use super::super::conv2d::Geometry;
use super::super::kernels::Kernels;
use super::super::memory::{Shared, filled, with_scratch};
use super::super::threads::each;
use super::super::tile::Product;
use super::transforms::{GradientJob, TapsJob};
use super::{Planes, Source, Tiling, for_runs, spread};
use crate::Precision;

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
    let ([height, width], [inputs, outputs]) = (geometry.output_size(), [geometry.inputs, geometry.outputs]);
    assert_eq!(source.images.len(), geometry.input_shape().iter().product::<usize>());
    assert_eq!(gradient.len(), geometry.output_shape().iter().product::<usize>());
    let (places, panel) = (tiling.places(), kernels.panel());
    let (all, per_row) = (geometry.batch * tiling.tiles[0], tiling.tiles[1]);
    if all * per_row == 0 {
        return vec![0.0; geometry.weight_shape().iter().product()];
    }
    let padded = kernels.padded(outputs);
    // About 12 MB of mapped tiles; few in tests, so that they see several blocks.
    const NUMBERS: usize = if cfg!(test) { 16 * 1024 } else { 3 * 1024 * 1024 };
    let block = (NUMBERS / (places * (inputs + outputs)) / per_row).clamp(1, all);
    let tiles = block * per_row;
    let left_row = spread(inputs);
    let (left_plane, right_plane, sum_plane) =
        (spread(tiles * left_row), spread(tiles * padded), inputs * padded + 16);

    with_scratch(places * (left_plane + right_plane + sum_plane), |scratch| {
        let scratch = Shared::new(scratch);
        let (right, sums) = (places * left_plane, places * (left_plane + right_plane));
        for first in (0..all).step_by(block) {
            let rows = block.min(all - first);
            let n_tiles = rows * per_row;
            for_runs(rows, 16usize.div_ceil(per_row), |run| {
                let global = first + run.start..first + run.end;
                // SAFETY: the rows of this run belong to this task, left and right.
                unsafe {
                    let at = run.start * per_row * left_row;
                    let precision = Precision::F32;
                    let planes = Planes { target: at, plane: left_plane, tile: left_row, precision };
                    source.map(kernels, geometry, tiling, global, planes, scratch);
                    for row in run {
                        let (image, y) = (
                            (first + row) / tiling.tiles[0],
                            (first + row) % tiling.tiles[0] * tiling.outputs,
                        );
                        (kernels.winograd(tiling.outputs).gradient)(&GradientJob {
                            source: gradient.as_ptr().add((image * height + y) * width * outputs),
                            row: width * outputs,
                            tiles: per_row,
                            channels: outputs,
                            height: height - y,
                            width,
                            target: scratch.pointer(right),
                            first: row * per_row,
                            plane: right_plane,
                            panel,
                            next_panel: n_tiles * panel,
                        });
                    }
                }
            });
            // A place after the other on each thread; tall blocks of rows, so that a panel is read from cache.
            let chunk = inputs.div_ceil(inputs.div_ceil(192));
            let chunks = inputs.div_ceil(chunk);
            each(places * chunks, |task| {
                let (place, row) = (task / chunks, task % chunks * chunk);
                for column in (0..outputs).step_by(panel) {
                    // SAFETY: each task has its own rows of its own place.
                    unsafe {
                        kernels.product(
                            true,
                            kernels.panel_at(column, outputs),
                            &Product {
                                left: scratch.pointer(place * left_plane + row),
                                left_stride: left_row,
                                panel: scratch.pointer(right + place * right_plane + column * n_tiles),
                                depth: n_tiles,
                                target: scratch.pointer(sums + place * sum_plane + row * padded + column),
                                target_stride: padded,
                                rows: chunk.min(inputs - row),
                                accumulate: first > 0,
                            },
                        );
                    }
                }
            });
        }
        const ROWS: usize = 8;
        let task = |task: usize, shared: Shared| {
            for row in task * ROWS..((task + 1) * ROWS).min(inputs) {
                // SAFETY: this row belongs to the task, and the sums are complete.
                unsafe {
                    (kernels.winograd(tiling.outputs).taps)(&TapsJob {
                        source: scratch.pointer(sums + row * padded),
                        plane: sum_plane,
                        columns: outputs,
                        target: shared.pointer(row * outputs),
                        tap: inputs * outputs,
                    });
                }
            }
        };
        // SAFETY: the rows cover the result.
        unsafe { filled(9 * inputs * outputs, inputs.div_ceil(ROWS), task) }
    })
}
