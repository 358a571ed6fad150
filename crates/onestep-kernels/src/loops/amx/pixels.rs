//! Pixels on their way into lines: normalised, activated, rounded.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use crate::simd::{Line, Lines};

/// Where numbers are read.
#[derive(Clone, Copy)]
pub(crate) enum Numbers {
    /// f32.
    Full(*const f32),
    /// bf16.
    Half(*const u16),
}

/// Copies that a pixel may be packed to: one for each column of a kernel of three.
pub(crate) const COPIES: usize = 3;

/// Pixels that lie one after the other, to be packed.
///
/// A pixel becomes a line for each 32 of its channels: activation(x · factor + term), rounded, with zeros for channels beyond the
/// last.
pub(crate) struct PixelJob {
    /// `[pixels][channels]`
    pub source: Numbers,
    pub pixels: usize,
    pub channels: usize,
    /// Factors, then terms, for the channels rounded up to whole lines, zero beyond the last; or null.
    pub affine: *const f32,
    /// Whether the activation is SiLU. Only with factors and terms.
    pub silu: bool,
    /// Lines from 32 channels to the next.
    pub plane: usize,
    /// Where each copy has the lines of the first pixel; that of pixel x is x lines on.
    pub targets: [*mut Line; COPIES],
    /// The first pixel that a copy has, and the first one that it has not; both may be 0.
    pub spans: [[usize; 2]; COPIES],
}

/// Runs a [`PixelJob`].
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read or
/// written; targets only for the pixels of their span.
#[inline(always)]
pub(super) unsafe fn pack_pixels<S: Lines>(job: &PixelJob) {
    // SAFETY: the caller's promise.
    unsafe {
        match (job.affine.is_null(), job.silu) {
            (true, _) => from_numbers::<S, false, false>(job),
            (false, false) => from_numbers::<S, true, false>(job),
            (false, true) => from_numbers::<S, true, true>(job),
        }
    }
}

#[inline(always)]
unsafe fn from_numbers<S: Lines, const NORM: bool, const SILU: bool>(job: &PixelJob) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.source {
            Numbers::Full(source) => {
                run::<S, NORM, SILU>(job, |at, valid| {
                    if valid == S::LANES {
                        S::load(source.add(at))
                    } else {
                        S::load_first(source.add(at), valid)
                    }
                });
            }
            Numbers::Half(source) => {
                run::<S, NORM, SILU>(job, |at, valid| load_half::<S>(source.add(at), valid));
            }
        }
    }
}

/// The first `valid` of 16 numbers of type bf16, the rest zero.
#[inline(always)]
pub(super) unsafe fn load_half<S: Lines>(source: *const u16, valid: usize) -> S::Vector {
    // SAFETY: the caller's promise; what is copied is no longer than what it is copied to.
    unsafe {
        if valid == S::LANES {
            return S::widen(source);
        }
        let mut words = [0u16; 16];
        std::ptr::copy_nonoverlapping(source, words.as_mut_ptr(), valid);
        S::widen(words.as_ptr())
    }
}

#[inline(always)]
unsafe fn run<S: Lines, const NORM: bool, const SILU: bool>(
    job: &PixelJob,
    load: impl Fn(usize, usize) -> S::Vector,
) {
    let blocks = job.channels.div_ceil(32);
    let alone = job.spans[1..].iter().all(|[first, end]| first == end) && job.spans[0] == [0, job.pixels];
    for x in 0..job.pixels {
        for block in 0..blocks {
            // SAFETY: channels below the last are read of pixels below the last, coefficients are there for whole lines, and
            // lines are written where a copy has the pixel.
            unsafe {
                let vector = |half: usize| {
                    let channel = block * 32 + half * 16;
                    let valid = job.channels.saturating_sub(channel).min(16);
                    if valid == 0 {
                        return S::splat(0.0);
                    }
                    let mut value = load(x * job.channels + channel, valid);
                    if NORM {
                        let factor = S::load(job.affine.add(channel));
                        let term = S::load(job.affine.add(blocks * 32 + channel));
                        value = S::mul_add(value, factor, term);
                    }
                    if SILU { S::silu(value) } else { value }
                };
                let line = S::joined(vector(0), vector(1));
                if alone {
                    S::store_line(job.targets[0].add(block * job.plane + x), line);
                    continue;
                }
                for (target, [first, end]) in job.targets.into_iter().zip(job.spans) {
                    if (first..end).contains(&x) {
                        S::store_line(target.wrapping_add(block * job.plane + x), line);
                    }
                }
            }
        }
    }
}
