//! The five linear maps of Winograd's method, on tiles of vectors of channels.
//!
//! A tile of M x M outputs of a 3x3 convolution needs A x A inputs, A = M + 2, and A x A multiplications a pair of channels
//! instead of 9 M²: 36 instead of 144 for M = 4, 16 instead of 36 for M = 2. The one-dimensional maps are those of Toom and
//! Cook: with M = 2 through the points 0, 1, -1 and infinity, with M = 4 through 0, ±√½, ±√2 and infinity, which lose only
//! half as many digits as the whole numbers 0, ±1, ±2 do. Two dimensions are the same map along both axes.
//!
//! # Source
//!
//! Lavin & Gray 2016 (arXiv:1509.09308); on the choice of points Barabasz et al. 2018 (arXiv:1803.10986).

#![allow(unsafe_code, reason = "loops over vectors at raw pointers; callers state what they guarantee")]

use super::super::simd::Simd;

const ROOT: f32 = std::f32::consts::SQRT_2;
const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Bᵀ d: A inputs to A products.
#[inline(always)]
unsafe fn input<S: Simd, const A: usize>(d: [S::Vector; A]) -> [S::Vector; A] {
    unsafe {
        let mut r = d;
        if A == 6 {
            let even = S::mul_add(d[2], S::splat(-2.0), d[4]);
            let odd = S::mul_add(d[3], S::splat(HALF_ROOT), S::mul(d[1], S::splat(-ROOT)));
            let even_far = S::mul_add(d[2], S::splat(-0.5), d[4]);
            let odd_far = S::mul_add(d[3], S::splat(ROOT), S::mul(d[1], S::splat(-HALF_ROOT)));
            r[0] = S::add(S::mul_add(d[2], S::splat(-2.5), d[0]), d[4]);
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
            r[3] = S::add(even_far, odd_far);
            r[4] = S::sub(even_far, odd_far);
            r[5] = S::add(S::mul_add(d[3], S::splat(-2.5), d[1]), d[5]);
        } else {
            r[0] = S::sub(d[0], d[2]);
            r[1] = S::add(d[1], d[2]);
            r[2] = S::sub(d[2], d[1]);
            r[3] = S::sub(d[3], d[1]);
        }
        r
    }
}

/// Aᵀ m: A products to M outputs.
#[inline(always)]
unsafe fn output<S: Simd, const A: usize, const M: usize>(m: [S::Vector; A]) -> [S::Vector; M] {
    unsafe {
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let mut y = [sum; M];
        if A == 6 {
            let (sum_far, difference_far) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            y[0] = S::add(S::add(m[0], sum), sum_far);
            y[1] = S::mul_add(difference_far, S::splat(ROOT), S::mul(difference, S::splat(HALF_ROOT)));
            y[2] = S::mul_add(sum_far, S::splat(2.0), S::mul(sum, S::splat(0.5)));
            let far = S::mul_add(difference_far, S::splat(2.0 * ROOT), m[5]);
            y[3] = S::mul_add(difference, S::splat(0.5 * HALF_ROOT), far);
        } else {
            y[0] = S::add(m[0], sum);
            y[1] = S::add(difference, m[3]);
        }
        y
    }
}

/// G g: three taps to A factors.
#[inline(always)]
unsafe fn weight<S: Simd, const A: usize>(g: [S::Vector; 3]) -> [S::Vector; A] {
    unsafe {
        let mut r = [g[0]; A];
        if A == 6 {
            let even = S::mul(S::mul_add(g[2], S::splat(0.5), g[0]), S::splat(-2.0 / 3.0));
            let odd = S::mul(g[1], S::splat(-2.0 / 3.0 * HALF_ROOT));
            let even_far = S::mul(S::mul_add(g[2], S::splat(2.0), g[0]), S::splat(1.0 / 6.0));
            let odd_far = S::mul(g[1], S::splat(ROOT / 6.0));
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
            r[3] = S::add(even_far, odd_far);
            r[4] = S::sub(even_far, odd_far);
        } else {
            let even = S::mul(S::add(g[0], g[2]), S::splat(0.5));
            let odd = S::mul(g[1], S::splat(0.5));
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
        }
        r[A - 1] = g[2];
        r
    }
}

/// A y, the transpose of [`output`]: the gradients of M outputs to those of A products.
#[inline(always)]
unsafe fn output_transposed<S: Simd, const A: usize, const M: usize>(y: [S::Vector; M]) -> [S::Vector; A] {
    unsafe {
        let mut r = [y[0]; A];
        if A == 6 {
            let even = S::mul_add(y[2], S::splat(0.5), y[0]);
            let odd = S::mul_add(y[3], S::splat(0.5 * HALF_ROOT), S::mul(y[1], S::splat(HALF_ROOT)));
            let even_far = S::mul_add(y[2], S::splat(2.0), y[0]);
            let odd_far = S::mul_add(y[3], S::splat(2.0 * ROOT), S::mul(y[1], S::splat(ROOT)));
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
            r[3] = S::add(even_far, odd_far);
            r[4] = S::sub(even_far, odd_far);
        } else {
            r[1] = S::add(y[0], y[1]);
            r[2] = S::sub(y[0], y[1]);
        }
        r[A - 1] = y[M - 1];
        r
    }
}

/// Gᵀ u, the transpose of [`weight`]: the gradients of A factors to those of three taps.
#[inline(always)]
unsafe fn weight_transposed<S: Simd, const A: usize>(u: [S::Vector; A]) -> [S::Vector; 3] {
    unsafe {
        let (sum, difference) = (S::add(u[1], u[2]), S::sub(u[1], u[2]));
        if A == 6 {
            let (sum_far, difference_far) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
            let near = S::mul_add(sum, S::splat(-2.0 / 3.0), u[0]);
            let odd = S::mul(difference, S::splat(-2.0 / 3.0 * HALF_ROOT));
            let last = S::mul_add(S::sub(sum_far, sum), S::splat(1.0 / 3.0), u[5]);
            [
                S::mul_add(sum_far, S::splat(1.0 / 6.0), near),
                S::mul_add(difference_far, S::splat(ROOT / 6.0), odd),
                last,
            ]
        } else {
            let half = S::splat(0.5);
            [S::mul_add(sum, half, u[0]), S::mul(difference, half), S::mul_add(sum, half, u[3])]
        }
    }
}

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

/// The taps of one input channel and some output channels to their factors.
pub(crate) struct WeightJob {
    /// Tap (y, x) lies at `source + (y * 3 + x) * tap`.
    pub source: *const f32,
    pub tap: usize,
    pub columns: usize,
    /// Factor (y, x) goes to `target + (y * A + x) * plane`.
    pub target: *mut f32,
    pub plane: usize,
    /// Take the taps in reverse, as the data gradient does.
    pub flipped: bool,
}

/// Writes whole vectors, zeros beyond the last column.
#[inline(always)]
pub(crate) unsafe fn weight_factors<S: Simd, const A: usize>(job: &WeightJob) {
    unsafe {
        for column in (0..job.columns).step_by(S::LANES) {
            let valid = S::LANES.min(job.columns - column);
            let mut half = [[S::splat(0.0); 3]; A];
            for x in 0..3 {
                let taps = std::array::from_fn(|y| {
                    let tap = if job.flipped { 8 - (y * 3 + x) } else { y * 3 + x };
                    let source = job.source.add(tap * job.tap + column);
                    if valid == S::LANES { S::load(source) } else { S::load_first(source, valid) }
                });
                for (half, value) in half.iter_mut().zip(weight::<S, A>(taps)) {
                    half[x] = value;
                }
            }
            for (y, row) in half.into_iter().enumerate() {
                for (x, value) in weight::<S, A>(row).into_iter().enumerate() {
                    S::store(job.target.add((y * A + x) * job.plane + column), value);
                }
            }
        }
    }
}

/// The gradients of the factors of one input channel to those of its taps.
pub(crate) struct TapsJob {
    /// As [`WeightJob::target`]; whole vectors are read.
    pub source: *const f32,
    pub plane: usize,
    pub columns: usize,
    /// As [`WeightJob::source`].
    pub target: *mut f32,
    pub tap: usize,
}

#[inline(always)]
pub(crate) unsafe fn weight_taps<S: Simd, const A: usize>(job: &TapsJob) {
    unsafe {
        for column in (0..job.columns).step_by(S::LANES) {
            let valid = S::LANES.min(job.columns - column);
            let mut half = [[S::splat(0.0); A]; 3];
            for x in 0..A {
                let factors =
                    std::array::from_fn(|y| S::load(job.source.add((y * A + x) * job.plane + column)));
                for (half, value) in half.iter_mut().zip(weight_transposed::<S, A>(factors)) {
                    half[x] = value;
                }
            }
            for (y, row) in half.into_iter().enumerate() {
                for (x, value) in weight_transposed::<S, A>(row).into_iter().enumerate() {
                    let target = job.target.add((y * 3 + x) * job.tap + column);
                    if valid == S::LANES {
                        S::store(target, value);
                    } else {
                        S::store_first(target, value, valid);
                    }
                }
            }
        }
    }
}
