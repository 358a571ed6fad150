//! Pixels to products and back, tile by tile.

#![allow(unsafe_code, reason = "loops over vectors at raw pointers; callers state what they guarantee")]

use super::maps::{input, output, output_transposed};
use crate::simd::Simd;

/// Tiles of input pixels to tiles of products; one row of tiles of one image.
pub(crate) struct InputJob {
    /// The first pixel of the row of tiles, with its border: pixels are `pixel` apart, rows `row`.
    pub source: *const f32,
    pub row: usize,
    pub pixel: usize,
    pub tiles: usize,
    pub channels: usize,
    /// Product (y, x) of the first tile goes to `target + (y * A + x) * plane`, those of the next `tile` further. Where they
    /// are rounded to bf16, two neighbouring channels share a place.
    pub target: *mut f32,
    pub plane: usize,
    pub tile: usize,
}

/// Writes whole vectors, zeros beyond the last channel of a pixel.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
#[inline(always)]
pub(crate) unsafe fn input_tiles<S: Simd, const A: usize, const M: usize, const ROUNDED: bool>(
    job: &InputJob,
) {
    unsafe {
        for tile in 0..job.tiles {
            let source = job.source.add(tile * M * job.pixel);
            let target = job.target.add(tile * job.tile);
            for channel in (0..job.channels).step_by(S::LANES) {
                let valid = S::LANES.min(job.channels - channel);
                let load = |source: *const f32| {
                    if valid == S::LANES { S::load(source) } else { S::load_first(source, valid) }
                };
                let mut half = [[S::splat(0.0); A]; A];
                for x in 0..A {
                    let column =
                        std::array::from_fn(|y| load(source.add(y * job.row + x * job.pixel + channel)));
                    let column = input::<S, A>(column);
                    for (half, value) in half.iter_mut().zip(column) {
                        half[x] = value;
                    }
                }
                for (y, row) in half.into_iter().enumerate() {
                    for (x, value) in input::<S, A>(row).into_iter().enumerate() {
                        let place = target.add((y * A + x) * job.plane);
                        if ROUNDED {
                            S::store_rounded(place.cast::<u16>().add(channel), value);
                        } else {
                            S::store(place.add(channel), value);
                        }
                    }
                }
            }
        }
    }
}

/// Tiles of products to tiles of output pixels, with what follows the convolution; one row of tiles of one image.
pub(crate) struct OutputJob {
    /// As [`InputJob::target`].
    pub source: *const f32,
    pub plane: usize,
    pub tile: usize,
    pub tiles: usize,
    pub channels: usize,
    /// One value a channel, or null.
    pub bias: *const f32,
    /// Like the output, or null.
    pub residual: *const f32,
    pub factor: f32,
    /// The smallest and the largest output; NaN stays.
    pub bounds: [f32; 2],
    /// The first output pixel; pixels are `pixel` apart, rows `row`.
    pub target: *mut f32,
    pub row: usize,
    pub pixel: usize,
    /// Rows and columns of output that exist; tiles may reach beyond.
    pub height: usize,
    pub width: usize,
}

/// Reads whole vectors of products, writes no further than the last channel.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
#[inline(always)]
pub(crate) unsafe fn output_tiles<S: Simd, const A: usize, const M: usize>(job: &OutputJob) {
    unsafe {
        for tile in 0..job.tiles {
            let source = job.source.add(tile * job.tile);
            let width = M.min(job.width - tile * M);
            let height = M.min(job.height);
            for channel in (0..job.channels).step_by(S::LANES) {
                let valid = S::LANES.min(job.channels - channel);
                let load = |source: *const f32| {
                    if valid == S::LANES { S::load(source) } else { S::load_first(source, valid) }
                };
                let mut half = [[S::splat(0.0); A]; M];
                for x in 0..A {
                    let column =
                        std::array::from_fn(|y| S::load(source.add((y * A + x) * job.plane + channel)));
                    let column = output::<S, A, M>(column);
                    for (half, value) in half.iter_mut().zip(column) {
                        half[x] = value;
                    }
                }
                let bias = if job.bias.is_null() { S::splat(0.0) } else { load(job.bias.add(channel)) };
                let factor = S::splat(job.factor);
                let [low, high] = job.bounds.map(|bound| S::splat(bound));
                for (y, row) in half.into_iter().enumerate().take(height) {
                    let row = output::<S, A, M>(row);
                    for (x, mut value) in row.into_iter().enumerate().take(width) {
                        let at = y * job.row + (tile * M + x) * job.pixel + channel;
                        value = S::add(value, bias);
                        if !job.residual.is_null() {
                            value = S::add(value, load(job.residual.add(at)));
                        }
                        value = S::min(high, S::max(low, S::mul(value, factor)));
                        if valid == S::LANES {
                            S::store(job.target.add(at), value);
                        } else {
                            S::store_first(job.target.add(at), value, valid);
                        }
                    }
                }
            }
        }
    }
}

/// Tiles of output gradients to tiles of gradients of products; one row of tiles of one image.
pub(crate) struct GradientJob {
    /// The first output pixel of the row of tiles; pixels are `channels` apart, rows `row`.
    pub source: *const f32,
    pub row: usize,
    pub tiles: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Where the panels of the first plane begin: channels are cut into panels of `panel`, `next_panel` apart, each
    /// `[tiles, width of the panel]`.
    pub target: *mut f32,
    /// Number of the first of these tiles within a panel.
    pub first: usize,
    pub plane: usize,
    pub panel: usize,
    pub next_panel: usize,
}

/// Writes whole vectors, zeros where a tile reaches beyond the image or the last channel.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
#[inline(always)]
pub(crate) unsafe fn gradient_tiles<S: Simd, const A: usize, const M: usize>(job: &GradientJob) {
    unsafe {
        for tile in 0..job.tiles {
            let width = M.min(job.width - tile * M);
            let height = M.min(job.height);
            for channel in (0..job.channels).step_by(S::LANES) {
                let valid = S::LANES.min(job.channels - channel);
                let panel = channel / job.panel;
                // The last panel is one vector wide where that is enough.
                let panel_width =
                    if job.channels - panel * job.panel <= S::LANES { S::LANES } else { job.panel };
                let target = job.target.add(
                    panel * job.next_panel + (job.first + tile) * panel_width + channel - panel * job.panel,
                );
                let mut half = [[S::splat(0.0); M]; A];
                for x in 0..M {
                    let column = std::array::from_fn(|y| {
                        if x >= width || y >= height {
                            return S::splat(0.0);
                        }
                        let at = job.source.add(y * job.row + (tile * M + x) * job.channels + channel);
                        if valid == S::LANES { S::load(at) } else { S::load_first(at, valid) }
                    });
                    let column = output_transposed::<S, A, M>(column);
                    for (half, value) in half.iter_mut().zip(column) {
                        half[x] = value;
                    }
                }
                for (y, row) in half.into_iter().enumerate() {
                    let row = output_transposed::<S, A, M>(row);
                    for (x, value) in row.into_iter().enumerate() {
                        S::store(target.add((y * A + x) * job.plane), value);
                    }
                }
            }
        }
    }
}
