//! Sums of tiles on their way into an image: bias, residual, factor and bounds, and the moments of what is written.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use super::pixels::{Numbers, load_full, load_half};
use crate::simd::Lines;

/// Where results are written.
#[derive(Clone, Copy)]
pub(crate) enum Results {
    /// f32.
    Full(*mut f32),
    /// bf16.
    Half(*mut u16),
}

/// Sums of 32 channels of some pixels, one after the other.
///
/// result = factor · (sum + bias + residual), cut off at the bounds
pub(crate) struct FinishJob {
    /// `[pixels][32]`
    pub sums: *const f32,
    pub pixels: usize,
    /// Channels that exist, of 32.
    pub channels: usize,
    /// One number a channel, or null.
    pub bias: *const f32,
    /// Like the results.
    pub residual: Option<Numbers>,
    pub results: Results,
    /// Numbers from one pixel of results and residual to the next.
    pub stride: usize,
    pub factor: f32,
    pub bounds: [f32; 2],
    /// Moments that these pixels belong to, or null.
    pub moments: *mut RunningMoments,
}

/// What is known of 32 channels after some pixels of a run of them.
///
/// Sums are taken of differences to the first pixel, of which the mean is a deviation or two away: squares of numbers about
/// as large as the deviation lose nothing, however far from zero the channel is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunningMoments {
    pub pixels: usize,
    pivot: [f32; 32],
    sums: [f32; 32],
    squares: [f32; 32],
}

impl RunningMoments {
    /// Of no pixel yet.
    pub(crate) const NONE: Self = Self { pixels: 0, pivot: [0.0; 32], sums: [0.0; 32], squares: [0.0; 32] };

    /// Writes the mean of each channel and the sum of squares around it, as many as there is room for.
    pub(crate) fn finish(&self, [mean, squares]: [&mut [f32]; 2]) {
        let inverse = 1.0 / self.pixels as f32;
        for (channel, (mean, squares)) in mean.iter_mut().zip(squares).enumerate().take(32) {
            let average = self.sums[channel] * inverse;
            *mean = self.pivot[channel] + average;
            *squares = (self.squares[channel] - self.sums[channel] * average).max(0.0);
        }
    }
}

/// Runs a [`FinishJob`].
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read or
/// written.
#[inline(always)]
pub(super) unsafe fn finish<S: Lines>(job: &FinishJob) {
    for half in 0..job.channels.div_ceil(16) {
        let valid = (job.channels - half * 16).min(16);
        // SAFETY: the caller's promise.
        unsafe {
            match (job.moments.is_null(), job.residual.is_some()) {
                (true, false) => half_of::<S, false, false>(job, half, valid),
                (true, true) => half_of::<S, false, true>(job, half, valid),
                (false, false) => half_of::<S, true, false>(job, half, valid),
                (false, true) => half_of::<S, true, true>(job, half, valid),
            }
        }
    }
    if !job.moments.is_null() {
        // SAFETY: the caller's promise.
        unsafe { (*job.moments).pixels += job.pixels }
    }
}

#[inline(always)]
unsafe fn half_of<S: Lines, const MOMENTS: bool, const RESIDUAL: bool>(
    job: &FinishJob,
    half: usize,
    valid: usize,
) {
    // SAFETY: the caller's promise; a half has 16 channels, of which `valid` exist.
    unsafe {
        let first = half * 16;
        let bias =
            if job.bias.is_null() { S::splat(0.0) } else { load_full::<S>(job.bias.add(first), valid) };
        let factor = S::splat(job.factor);
        let [low, high] = job.bounds.map(|bound| S::splat(bound));
        let [mut pivot, mut sums, mut squares] = [S::splat(0.0); 3];
        let begun = MOMENTS && (*job.moments).pixels > 0;
        if begun {
            let moments = &*job.moments;
            [pivot, sums, squares] = [&moments.pivot, &moments.sums, &moments.squares]
                .map(|numbers| S::load(numbers.as_ptr().add(first)));
        }
        for pixel in 0..job.pixels {
            let at = pixel * job.stride + first;
            let mut value = S::add(S::load(job.sums.add(pixel * 32 + first)), bias);
            if RESIDUAL {
                value = S::add(
                    value,
                    match job.residual {
                        Some(Numbers::Full(residual)) => load_full::<S>(residual.add(at), valid),
                        Some(Numbers::Half(residual)) => load_half::<S>(residual.add(at), valid),
                        None => S::splat(0.0),
                    },
                );
            }
            value = S::min(high, S::max(low, S::mul(value, factor)));
            match job.results {
                Results::Full(results) if valid == 16 => S::store(results.add(at), value),
                Results::Full(results) => S::store_first(results.add(at), value, valid),
                Results::Half(results) if valid == 16 => S::store_rounded(results.add(at), value),
                Results::Half(results) => {
                    let mut words = [0u16; 16];
                    S::store_rounded(words.as_mut_ptr(), value);
                    std::ptr::copy_nonoverlapping(words.as_ptr(), results.add(at), valid);
                }
            }
            if MOMENTS {
                if !begun && pixel == 0 {
                    pivot = value;
                }
                let difference = S::sub(value, pivot);
                sums = S::add(sums, difference);
                squares = S::mul_add(difference, difference, squares);
            }
        }
        if MOMENTS {
            let moments = &mut *job.moments;
            S::store(moments.pivot.as_mut_ptr().add(first), pivot);
            S::store(moments.sums.as_mut_ptr().add(first), sums);
            S::store(moments.squares.as_mut_ptr().add(first), squares);
        }
    }
}
