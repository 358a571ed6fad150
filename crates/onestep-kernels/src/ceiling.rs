//! What this CPU could do at most, to measure the operators by.

#![allow(unsafe_code, reason = "vector instructions behind a run-time check")]

use std::hint::black_box;

use crate::flex::simd::{Level, Portable, Simd};

/// Does multiply-adds in registers on this thread, as many as fit, and returns how many single ones that were.
///
/// Divided by the time it took, times two, it is the floating-point rate that no operator can pass.
pub fn multiply_adds(rounds: usize) -> usize {
    // SAFETY: the level is one that this machine has.
    unsafe {
        match Level::best() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => x86::avx512(rounds),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::avx2(rounds),
            Level::Portable => chains::<Portable>(rounds),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::flex::simd::{Avx2, Avx512};

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(rounds: usize) -> usize {
        unsafe { super::chains::<Avx512>(rounds) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(rounds: usize) -> usize {
        unsafe { super::chains::<Avx2>(rounds) }
    }
}

#[inline(always)]
unsafe fn chains<S: Simd>(rounds: usize) -> usize {
    const CHAINS: usize = 12;
    unsafe {
        let (factor, term) = (S::splat(black_box(0.999)), S::splat(black_box(0.001)));
        let mut sums = [S::splat(black_box(0.5)); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = S::mul_add(*sum, factor, term);
            }
        }
        let mut total = sums[0];
        for sum in &sums[1..] {
            total = S::add(total, *sum);
        }
        let mut sink = [0.0f32; 16];
        S::store(sink.as_mut_ptr(), total);
        black_box(sink);
    }
    rounds * CHAINS * S::LANES
}
