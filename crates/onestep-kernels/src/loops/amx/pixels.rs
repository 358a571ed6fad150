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
    /// The first channel of the first pixel.
    pub source: Numbers,
    pub pixels: usize,
    /// Channels of a pixel that are packed, and numbers from one pixel to the next.
    pub channels: usize,
    pub stride: usize,
    /// Factors and terms of the channels, rounded up to whole lines, zero beyond the last; or null.
    pub affine: [*const f32; 2],
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
        match (job.source, job.affine[0].is_null(), job.silu) {
            (Numbers::Full(source), true, _) => run::<S, Full, false, false>(job, source),
            (Numbers::Full(source), false, false) => run::<S, Full, true, false>(job, source),
            (Numbers::Full(source), false, true) => run::<S, Full, true, true>(job, source),
            (Numbers::Half(source), true, _) => run::<S, Half, false, false>(job, source),
            (Numbers::Half(source), false, false) => run::<S, Half, true, false>(job, source),
            (Numbers::Half(source), false, true) => run::<S, Half, true, true>(job, source),
        }
    }
}

/// How numbers are read. The loops are functions of this, not of closures: what a closure does with vectors is compiled without
/// the instructions of the function that it stands in.
trait Read {
    type Number;
    /// The first `valid` of 16 numbers, the rest zero.
    unsafe fn load<S: Lines>(source: *const Self::Number, valid: usize) -> S::Vector;
}

struct Full;

impl Read for Full {
    type Number = f32;

    #[inline(always)]
    unsafe fn load<S: Lines>(source: *const f32, valid: usize) -> S::Vector {
        unsafe { load_full::<S>(source, valid) }
    }
}

struct Half;

impl Read for Half {
    type Number = u16;

    #[inline(always)]
    unsafe fn load<S: Lines>(source: *const u16, valid: usize) -> S::Vector {
        unsafe { load_half::<S>(source, valid) }
    }
}

/// The first `valid` of 16 numbers, the rest zero.
#[inline(always)]
pub(super) unsafe fn load_full<S: Lines>(source: *const f32, valid: usize) -> S::Vector {
    unsafe {
        match valid {
            16 => S::load(source),
            0 => S::splat(0.0),
            _ => S::load_first(source, valid),
        }
    }
}

/// The first `valid` of 16 numbers of type bf16, the rest zero.
#[inline(always)]
pub(super) unsafe fn load_half<S: Lines>(source: *const u16, valid: usize) -> S::Vector {
    // SAFETY: the caller's promise; what is copied is no longer than what it is copied to.
    unsafe {
        if valid == 16 {
            return S::widen(source);
        }
        let mut words = [0u16; 16];
        std::ptr::copy_nonoverlapping(source, words.as_mut_ptr(), valid);
        S::widen(words.as_ptr())
    }
}

#[inline(always)]
unsafe fn run<S: Lines, R: Read, const NORM: bool, const SILU: bool>(
    job: &PixelJob,
    source: *const R::Number,
) {
    let blocks = job.channels.div_ceil(32);
    let alone = job.spans[1..].iter().all(|[first, end]| first == end) && job.spans[0] == [0, job.pixels];
    for x in 0..job.pixels {
        for block in 0..blocks {
            // SAFETY: channels below the last are read of pixels below the last, coefficients are there for whole lines, and
            // lines are written where a copy has the pixel.
            unsafe {
                let channel = block * 32;
                let left = job.channels - channel;
                let [low, high] = [left.min(16), left.saturating_sub(16).min(16)];
                let pixel = source.add(x * job.stride + channel);
                let mut low = R::load::<S>(pixel, low);
                let mut high = if high > 0 { R::load::<S>(pixel.add(16), high) } else { S::splat(0.0) };
                if NORM {
                    let [factors, terms] = [job.affine[0].add(channel), job.affine[1].add(channel)];
                    low = S::mul_add(low, S::load(factors), S::load(terms));
                    high = S::mul_add(high, S::load(factors.add(16)), S::load(terms.add(16)));
                }
                if SILU {
                    low = S::silu(low);
                    high = S::silu(high);
                }
                let line = S::joined(low, high);
                if alone {
                    S::store_line(job.targets[0].add(block * job.plane + x), line);
                    continue;
                }
                for (target, [first, end]) in job.targets.into_iter().zip(job.spans) {
                    if first <= x && x < end {
                        S::store_line(target.wrapping_add(block * job.plane + x), line);
                    }
                }
            }
        }
    }
}
