//! 3x3 convolutions with stride 1 by Winograd's method, and their gradients.
//!
//! Forward, a strip of tiles at a time: pixels with their border (and whatever is done to them before the convolution) are
//! packed into a buffer in cache, mapped to tiles of products, multiplied with the mapped weights, one matrix product for each
//! of the A x A places of a tile, and mapped back with bias and residual. The data gradient is the same with the weights
//! turned round. The weight gradient is the transpose of the whole: the products of mapped inputs with mapped output
//! gradients, summed over all tiles, mapped back to taps.
//!
//! An output is a function of its own tile, so its bits depend neither on the batch nor on how strips are cut.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

mod factors;
mod gradient;
pub(super) mod transforms;

pub(crate) use factors::Factors;
use factors::Panel;
pub(crate) use gradient::weight_gradient;

use super::conv2d::Geometry;
use super::kernels::Kernels;
use super::memory::{Shared, filled, with_scratch};
use super::norm_act::Prologue;
use super::product::Epilogue;
use super::threads::{each, threads};
use super::tile::{PairProduct, Product};
use crate::Precision;
use transforms::{InputJob, OutputJob};

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

/// Floats from one row to the next of a buffer of rows: an odd number of cache lines, because rows a power of two apart fall
/// into the same few sets of a cache.
pub(super) fn spread(length: usize) -> usize {
    (length.div_ceil(16) | 1) * 16
}

/// Where the mapped tiles of a run go in a buffer: the first place of the first tile, then from one place to the next and
/// from one tile to the next.
#[derive(Clone, Copy)]
struct Planes {
    target: usize,
    plane: usize,
    tile: usize,
    precision: Precision,
}

/// The images a convolution reads.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// `[batch, height, width, inputs]`
    pub images: &'a [f32],
    /// What is done to a pixel before the convolution sees it; the border stays zero.
    pub prologue: Option<Prologue<'a>>,
}

impl Source<'_> {
    /// Packs the pixels that some rows of tiles of one image see, with the border: `[rows · outputs + 2, width, inputs]`.
    fn pack(
        &self,
        geometry: &Geometry,
        tiling: &Tiling,
        image: usize,
        rows: std::ops::Range<usize>,
        target: &mut [f32],
    ) {
        let ([height, width], depth) = (geometry.size, geometry.inputs);
        let [top, _, left, _] = geometry.options.padding;
        let target_row = (tiling.tiles[1] * tiling.outputs + 2) * depth;
        let first = rows.start * tiling.outputs;
        let n_rows = rows.len() * tiling.outputs + 2;
        for (y, target) in target[..n_rows * target_row].chunks_exact_mut(target_row).enumerate() {
            let Some(y) = (first + y).checked_sub(top).filter(|&y| y < height) else {
                target.fill(0.0);
                continue;
            };
            let source = &self.images[(image * height + y) * width * depth..][..width * depth];
            let (before, rest) = target.split_at_mut(left * depth);
            let (inside, after) = rest.split_at_mut(width * depth);
            before.fill(0.0);
            after.fill(0.0);
            match &self.prologue {
                Some(prologue) => prologue.apply(image, source, inside),
                None => inside.copy_from_slice(source),
            }
        }
    }

    /// Maps a run of rows of tiles, counted through the batch, to products in `shared`, in f32 or rounded to pairs.
    ///
    /// # Safety
    ///
    /// The buffer holds [`Tiling::places`] planes of the run's tiles, which are [`spread`] over the inputs, or over their pairs.
    unsafe fn map(
        &self,
        kernels: &Kernels,
        geometry: &Geometry,
        tiling: &Tiling,
        run: std::ops::Range<usize>,
        Planes { target, plane, tile, precision }: Planes,
        shared: Shared,
    ) {
        let depth = geometry.inputs;
        let pixels = tiling.tiles[1] * tiling.outputs + 2;
        let length = (run.len() * tiling.outputs + 2) * pixels * depth;
        let map = kernels.winograd(tiling.outputs).input[usize::from(precision == Precision::Bf16)];
        with_scratch(length, |packed| {
            let mut row = run.start;
            while row < run.end {
                let (image, first) = (row / tiling.tiles[0], row % tiling.tiles[0]);
                let count = (run.end - row).min(tiling.tiles[0] - first);
                self.pack(geometry, tiling, image, first..first + count, packed);
                for index in 0..count {
                    let place = target + (row - run.start + index) * tiling.tiles[1] * tile;
                    // SAFETY: the packed rows reach to the border of the last tile, the target by the caller's promise.
                    unsafe {
                        map(&InputJob {
                            source: packed.as_ptr().add(index * tiling.outputs * pixels * depth),
                            row: pixels * depth,
                            pixel: depth,
                            tiles: tiling.tiles[1],
                            channels: depth,
                            target: shared.pointer(place),
                            plane,
                            tile,
                        });
                    }
                }
                row += count;
            }
        });
    }
}

/// How the rows of tiles of a batch are cut into tasks; no bit of the result depends on it.
struct Cut {
    rows: usize,
    strips: usize,
    /// Runs of panels of output channels.
    parts: usize,
    panels: usize,
}

impl Cut {
    fn new(kernels: &Kernels, geometry: &Geometry, tiling: &Tiling) -> Self {
        let (all, per_row) = (geometry.batch * tiling.tiles[0], tiling.tiles[1]);
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

/// The convolution of `source` with mapped weights.
pub(crate) fn forward(
    kernels: &Kernels,
    geometry: &Geometry,
    tiling: &Tiling,
    source: &Source,
    factors: &Factors,
    epilogue: &Epilogue,
) -> Vec<f32> {
    let ([height, width], outputs) = (geometry.output_size(), geometry.outputs);
    assert_eq!(source.images.len(), geometry.input_shape().iter().product::<usize>());
    assert!([factors.depth, factors.columns] == [geometry.inputs, outputs] && factors.fits(tiling, kernels));
    let length = geometry.output_shape().iter().product();
    epilogue.check(geometry.batch, length, outputs);
    let cut = Cut::new(kernels, geometry, tiling);
    let places = tiling.places();

    let task = |task: usize, shared: Shared| {
        let (strip, part) = (task / cut.parts, task % cut.parts);
        let run = strip * cut.rows..((strip + 1) * cut.rows).min(geometry.batch * tiling.tiles[0]);
        let columns =
            part * cut.panels * kernels.panel()..((part + 1) * cut.panels * kernels.panel()).min(outputs);
        let tiles = run.len() * tiling.tiles[1];
        let precision = factors.precision();
        // Products in bf16 go over pairs of inputs, which take one place.
        let depth = match precision {
            Precision::F32 => geometry.inputs,
            Precision::Bf16 => geometry.inputs.div_ceil(2),
        };
        let (left_row, right_row) = (spread(depth), spread(columns.len() + kernels.panel()));
        let (left_plane, right_plane) = (spread(tiles * left_row), spread(tiles * right_row));
        with_scratch(places * (left_plane + right_plane), |scratch| {
            let scratch = Shared::new(scratch);
            // SAFETY: the buffer holds the planes of inputs and, behind them, those of products; the factors fit; the rows of
            // the output belong to this task.
            unsafe {
                let planes = Planes { target: 0, plane: left_plane, tile: left_row, precision };
                source.map(kernels, geometry, tiling, run.clone(), planes, scratch);
                for place in 0..places {
                    let left = scratch.pointer(place * left_plane);
                    for column in columns.clone().step_by(kernels.panel()) {
                        let panel_width = kernels.panel_at(column, outputs);
                        let target = scratch
                            .pointer(places * left_plane + place * right_plane + column - columns.start);
                        match factors.panel(place, column) {
                            Panel::Full(panel) => {
                                let job = Product {
                                    left,
                                    left_stride: left_row,
                                    panel,
                                    depth,
                                    target,
                                    target_stride: right_row,
                                    rows: tiles,
                                    accumulate: false,
                                };
                                kernels.product(false, panel_width, &job);
                            }
                            Panel::Pairs(panel) => {
                                let job = PairProduct {
                                    left: left.cast(),
                                    left_stride: left_row,
                                    panel,
                                    depth,
                                    target,
                                    target_stride: right_row,
                                    rows: tiles,
                                    accumulate: false,
                                };
                                kernels.pair_product(panel_width, &job);
                            }
                        }
                    }
                }
                for (index, row) in run.enumerate() {
                    let (image, y) = (row / tiling.tiles[0], row % tiling.tiles[0] * tiling.outputs);
                    let at = (image * height + y) * width * outputs + columns.start;
                    (kernels.winograd(tiling.outputs).output)(&OutputJob {
                        source: scratch.pointer(places * left_plane + index * tiling.tiles[1] * right_row),
                        plane: right_plane,
                        tile: right_row,
                        tiles: tiling.tiles[1],
                        channels: columns.len(),
                        bias: epilogue.bias_of(image, outputs, columns.start),
                        residual: epilogue.residual_at(at),
                        factor: epilogue.factor,
                        bounds: epilogue.bounds,
                        target: shared.pointer(at),
                        row: width * outputs,
                        pixel: outputs,
                        height: height - y,
                        width,
                    });
                }
            }
        });
    };
    // SAFETY: strips and parts cover the output.
    unsafe { filled(length, cut.strips * cut.parts, task) }
}

/// Runs `task` for each of some rows of tiles, in pieces.
fn for_runs(rows: usize, piece: usize, task: impl Fn(std::ops::Range<usize>) + Sync) {
    each(rows.div_ceil(piece), |index| task(index * piece..((index + 1) * piece).min(rows)));
}
