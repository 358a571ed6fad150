//! The loops of group normalisation over the pixels of one image.
//!
//! Each goes down the pixels a block of neighbouring channels at a time, whose coefficients and sums stay in registers.

use super::elementwise::{silu, silu_slope, vectorised};

/// Channels of a block: a cache line.
const WIDE: usize = 16;

/// Calls `$body::<W>(first channel, ...)` for blocks that cover all channels.
macro_rules! by_blocks {
    ($channels:expr, $body:ident $(::<$flag:ident>)?, $($argument:expr),*) => {{
        let channels = $channels;
        let mut first = 0;
        while first + WIDE <= channels {
            $body::<WIDE $(, $flag)?>(first, $($argument),*);
            first += WIDE;
        }
        while first + 4 <= channels {
            $body::<4 $(, $flag)?>(first, $($argument),*);
            first += 4;
        }
        while first < channels {
            $body::<1 $(, $flag)?>(first, $($argument),*);
            first += 1;
        }
    }};
}

/// Some neighbouring numbers.
#[inline(always)]
fn block<const W: usize>(values: &[f32], first: usize) -> [f32; W] {
    let mut block = [0.0; W];
    block.copy_from_slice(&values[first..first + W]);
    block
}

#[inline(always)]
fn moments_of<const W: usize>(first: usize, input: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    let channels = mean.len();
    let mut sums = [0.0; W];
    for pixel in input.chunks_exact(channels) {
        let x = block::<W>(pixel, first);
        for c in 0..W {
            sums[c] += x[c];
        }
    }
    let share = channels as f32 / input.len() as f32;
    let means = sums.map(|sum| sum * share);
    let mut sums = [0.0; W];
    for pixel in input.chunks_exact(channels) {
        let x = block::<W>(pixel, first);
        for c in 0..W {
            sums[c] += (x[c] - means[c]) * (x[c] - means[c]);
        }
    }
    mean[first..first + W].copy_from_slice(&means);
    squares[first..first + W].copy_from_slice(&sums);
}

vectorised! {
    /// Per channel, the mean of some pixels and the sum of squares around it.
    pub(super) fn moments(input: &[f32], mean: &mut [f32], squares: &mut [f32]) {
        by_blocks!(mean.len(), moments_of, input, mean, squares);
    }
}

#[inline(always)]
fn apply_of<const W: usize, const SILU: bool>(
    first: usize,
    input: &[f32],
    [mean, factor, term]: [&[f32]; 3],
    output: &mut [f32],
) {
    let channels = mean.len();
    let [mean, factor, term] = [mean, factor, term].map(|values| block::<W>(values, first));
    for (input, output) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
        let mut x = block::<W>(input, first);
        for c in 0..W {
            x[c] = (x[c] - mean[c]) * factor[c] + term[c];
        }
        if SILU {
            x = x.map(silu);
        }
        output[first..first + W].copy_from_slice(&x);
    }
}

vectorised! {
    /// (x − mean) · factor + term, per channel.
    pub(super) fn apply_linear(input: &[f32], affine: [&[f32]; 3], output: &mut [f32]) {
        const SILU: bool = false;
        by_blocks!(affine[0].len(), apply_of::<SILU>, input, affine, output);
    }
}

vectorised! {
    /// The SiLU of that.
    pub(super) fn apply_silu(input: &[f32], affine: [&[f32]; 3], output: &mut [f32]) {
        const SILU: bool = true;
        by_blocks!(affine[0].len(), apply_of::<SILU>, input, affine, output);
    }
}

#[inline(always)]
fn slopes_of<const W: usize, const SILU: bool>(
    first: usize,
    input: &[f32],
    gradient: &[f32],
    [mean, inverse, factor, term]: [&[f32]; 4],
    slopes: &mut [f32],
    plain: &mut [f32],
    weighted: &mut [f32],
) {
    let channels = mean.len();
    let [mean, inverse, factor, term] = [mean, inverse, factor, term].map(|values| block::<W>(values, first));
    let (mut sums, mut weighted_sums) = ([0.0; W], [0.0; W]);
    let pixels = input.chunks_exact(channels).zip(gradient.chunks_exact(channels));
    for ((input, gradient), slopes) in pixels.zip(slopes.chunks_exact_mut(channels)) {
        let (x, mut dz) = (block::<W>(input, first), block::<W>(gradient, first));
        if SILU {
            for c in 0..W {
                dz[c] *= silu_slope((x[c] - mean[c]) * factor[c] + term[c]);
            }
        }
        for c in 0..W {
            sums[c] += dz[c];
            weighted_sums[c] += dz[c] * ((x[c] - mean[c]) * inverse[c]);
        }
        slopes[first..first + W].copy_from_slice(&dz);
    }
    plain[first..first + W].copy_from_slice(&sums);
    weighted[first..first + W].copy_from_slice(&weighted_sums);
}

vectorised! {
    /// The gradient dz of the argument of the identity, and per channel the sums of dz and of dz times the normalised input.
    pub(super) fn slopes_linear(
        input: &[f32],
        gradient: &[f32],
        affine: [&[f32]; 4],
        slopes: &mut [f32],
        sums: [&mut [f32]; 2],
    ) {
        const SILU: bool = false;
        let [plain, weighted] = sums;
        by_blocks!(affine[0].len(), slopes_of::<SILU>, input, gradient, affine, slopes, plain, weighted);
    }
}

vectorised! {
    /// The same for SiLU.
    pub(super) fn slopes_silu(
        input: &[f32],
        gradient: &[f32],
        affine: [&[f32]; 4],
        slopes: &mut [f32],
        sums: [&mut [f32]; 2],
    ) {
        const SILU: bool = true;
        let [plain, weighted] = sums;
        by_blocks!(affine[0].len(), slopes_of::<SILU>, input, gradient, affine, slopes, plain, weighted);
    }
}

#[inline(always)]
fn input_of<const W: usize>(first: usize, input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
    let channels = affine[0].len();
    let [mean, factor, constant, slope] = affine.map(|values| block::<W>(values, first));
    for (input, slopes) in input.chunks_exact(channels).zip(slopes.chunks_exact_mut(channels)) {
        let (x, mut dz) = (block::<W>(input, first), block::<W>(slopes, first));
        for c in 0..W {
            dz[c] = dz[c] * factor[c] - constant[c] - (x[c] - mean[c]) * slope[c];
        }
        slopes[first..first + W].copy_from_slice(&dz);
    }
}

vectorised! {
    /// Turns dz into the gradient of the input: dz · factor − constant − (x − mean) · slope, per channel.
    pub(super) fn input_gradient(input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
        by_blocks!(affine[0].len(), input_of, input, affine, slopes);
    }
}
