//! Taps to factors and back.

#![allow(unsafe_code, reason = "loops over vectors at raw pointers; callers state what they guarantee")]

use super::maps::{weight, weight_transposed};
use crate::simd::Simd;

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
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
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

/// Writes no further than the last column.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
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
