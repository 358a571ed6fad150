//! A convolution by mapped tiles, a strip of them at a time.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::super::geometry::Geometry;
use super::super::norm::Source;
use super::factors::{Factors, Panel};
use super::inputs::{Planes, Tiled};
use super::tiling::Tiling;
use crate::blocking::{Epilogue, Shared, filled, spread, threads, with_scratch};
use crate::loops::{Kernels, OutputJob, PairProduct, Product};
use crate::simd::Precision;

/// How the rows of tiles of a batch are cut into tasks; no bit of the result depends on it.
struct Cut {
    rows: usize,
    strips: usize,
    /// Runs of panels of output channels.
    parts: usize,
    panels: usize,
}

impl Cut {
    fn new(tiled: &Tiled) -> Self {
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let (all, per_row) = (tiled.rows(), tiling.tiles[1]);
        // The mapped inputs and products of a strip stay in the second-level cache if that leaves it enough tiles; if not,
        // more tiles share the mapped weights, which pass by once a strip and are the larger part of what moves then.
        const SECOND_LEVEL: usize = 112 * 1024;
        const MEMORY: usize = 4 * 1024 * 1024;
        let per_tile = tiling.places() * (geometry.inputs + geometry.outputs);
        let tiles = match SECOND_LEVEL / per_tile {
            tiles @ 20.. => tiles.min(96),
            _ => (MEMORY / per_tile).clamp(24, 128),
        };
        let most = (tiles / per_row).max(1);
        let n_panels = geometry.outputs.div_ceil(kernels.panel());
        let mut strips = all.div_ceil(most);
        if strips < 4 * threads() {
            // Few tasks: as many for every thread, unless strips get too thin, which cuts the channels instead.
            let thickest = (all * per_row / 16).max(1);
            strips = strips.next_multiple_of(threads()).min(thickest).min(all);
        }
        let rows = all.div_ceil(strips.max(1));
        let strips = all.div_ceil(rows.max(1));
        let parts = if strips < threads() { threads().div_ceil(strips.max(1)).min(n_panels) } else { 1 };
        let panels = n_panels.div_ceil(parts.max(1));
        Self { rows, strips, parts: n_panels.div_ceil(panels.max(1)), panels }
    }
}

/// One task: some rows of tiles and some output channels, and the buffer that it works in.
///
/// The buffer holds the planes of mapped inputs and, behind them, those of products.
struct Strip {
    run: Range<usize>,
    columns: Range<usize>,
    tiles: usize,
    /// Numbers of a mapped tile's place, or pairs of numbers: they take one place.
    depth: usize,
    left_row: usize,
    right_row: usize,
    left_plane: usize,
    right_plane: usize,
}

impl Strip {
    fn new(tiled: &Tiled, cut: &Cut, precision: Precision, task: usize) -> Self {
        let (strip, part, panel) = (task / cut.parts, task % cut.parts, tiled.kernels.panel());
        let run = strip * cut.rows..((strip + 1) * cut.rows).min(tiled.rows());
        let columns =
            part * cut.panels * panel..((part + 1) * cut.panels * panel).min(tiled.geometry.outputs);
        let tiles = run.len() * tiled.tiling.tiles[1];
        let depth = match precision {
            Precision::F32 => tiled.geometry.inputs,
            Precision::Bf16 => tiled.geometry.inputs.div_ceil(2),
        };
        let (left_row, right_row) = (spread(depth), spread(columns.len() + panel));
        let (left_plane, right_plane) = (spread(tiles * left_row), spread(tiles * right_row));
        Self { run, columns, tiles, depth, left_row, right_row, left_plane, right_plane }
    }

    /// Where the products begin in the buffer.
    fn products(&self, places: usize) -> usize {
        places * self.left_plane
    }

    /// Multiplies the mapped inputs with the factors, one matrix product for each place of a tile.
    ///
    /// # Safety
    ///
    /// The buffer is this strip's and holds mapped inputs, and the factors are for this convolution.
    unsafe fn multiply(&self, tiled: &Tiled, factors: &Factors, scratch: Shared) {
        let Self { left_row: left_stride, right_row: target_stride, tiles: rows, depth, .. } = *self;
        let (kernels, places) = (tiled.kernels, tiled.tiling.places());
        for place in 0..places {
            for column in self.columns.clone().step_by(kernels.panel()) {
                let width = kernels.panel_at(column, tiled.geometry.outputs);
                // SAFETY: a plane on either side holds a row for each tile, those of products a panel's width longer than the
                // columns, and the buffer all planes, by the caller's promise; the panel has as many rows as the depth.
                unsafe {
                    let left = scratch.pointer(place * self.left_plane);
                    let target = self.products(places) + place * self.right_plane;
                    let target = scratch.pointer(target + column - self.columns.start);
                    match factors.panel(place, column) {
                        Panel::Full(panel) => {
                            let job = Product {
                                left,
                                left_stride,
                                panel,
                                depth,
                                target,
                                target_stride,
                                rows,
                                accumulate: false,
                            };
                            kernels.product(false, width, &job);
                        }
                        Panel::Pairs(panel) => {
                            let left = left.cast::<u32>();
                            let job = PairProduct {
                                left,
                                left_stride,
                                panel,
                                depth,
                                target,
                                target_stride,
                                rows,
                                accumulate: false,
                            };
                            kernels.pair_product(false, width, &job);
                        }
                    }
                }
            }
        }
    }

    /// Maps the products back to outputs, with their epilogue.
    ///
    /// # Safety
    ///
    /// The buffer is this strip's and holds its products; `output` is the whole result, of which nobody else touches these rows
    /// and columns; and the epilogue was checked against it.
    unsafe fn map_back(&self, tiled: &Tiled, epilogue: &Epilogue, scratch: Shared, output: Shared) {
        let Tiled { kernels, geometry, tiling, .. } = *tiled;
        let ([height, width], outputs) = (geometry.output_size(), geometry.outputs);
        for (index, row) in self.run.clone().enumerate() {
            let [image, y] = tiled.place(row);
            let at = (image * height + y) * width * outputs + self.columns.start;
            let source = self.products(tiling.places()) + index * tiling.tiles[1] * self.right_row;
            // SAFETY: products and output are what the caller promises; the loop writes no pixel beyond the height and width
            // that are left, and no channel beyond the columns.
            unsafe {
                (kernels.winograd(tiling.outputs).output)(&OutputJob {
                    source: scratch.pointer(source),
                    plane: self.right_plane,
                    tile: self.right_row,
                    tiles: tiling.tiles[1],
                    channels: self.columns.len(),
                    bias: epilogue.bias_of(image, outputs, self.columns.start),
                    residual: epilogue.residual_at(at),
                    factor: epilogue.factor,
                    bounds: epilogue.bounds,
                    target: output.pointer(at),
                    row: width * outputs,
                    pixel: outputs,
                    height: height - y,
                    width,
                });
            }
        }
    }
}

/// The convolution of `source` with mapped weights.
pub(crate) fn forward(
    kernels: &Kernels,
    geometry: &Geometry,
    tiling: &Tiling,
    source: &Source,
    factors: &Factors,
    epilogue: &Epilogue,
) -> Vec<f32> {
    assert_eq!(source.images.values.len(), geometry.input_shape().iter().product::<usize>());
    let sizes = [geometry.inputs, geometry.outputs];
    assert!([factors.depth, factors.columns] == sizes && factors.fits(tiling, kernels));
    let length = geometry.output_shape().iter().product();
    epilogue.check(geometry.batch, length, geometry.outputs);
    let tiled = Tiled { kernels, geometry, tiling, source };
    let (cut, precision, places) = (Cut::new(&tiled), factors.precision(), tiling.places());

    let task = |task: usize, output: Shared| {
        let strip = Strip::new(&tiled, &cut, precision, task);
        with_scratch(places * (strip.left_plane + strip.right_plane), |scratch| {
            let scratch = Shared::new(scratch);
            let planes = Planes { target: 0, plane: strip.left_plane, tile: strip.left_row, precision };
            // SAFETY: the buffer is this task's and long enough for the planes of both sides; source, factors and epilogue were
            // checked against the geometry; and strips and parts have no row of tiles and channel in common.
            unsafe {
                tiled.map(strip.run.clone(), planes, scratch);
                strip.multiply(&tiled, factors, scratch);
                strip.map_back(&tiled, epilogue, scratch, output);
            }
        });
    };
    // SAFETY: the tasks are all strips of tiles, which reach over all outputs, times all parts of the channels, and each writes
    // its own.
    unsafe { filled(length, cut.strips * cut.parts, task) }
}
