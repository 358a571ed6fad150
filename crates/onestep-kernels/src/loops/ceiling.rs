//! What this CPU could do at most, to measure the operators by.

#![allow(unsafe_code, reason = "vector instructions behind a run-time check")]

use std::hint::black_box;

use crate::simd::{Level, Portable, Precision, Simd};
#[cfg(target_arch = "aarch64")]
use crate::simd::{Neon, NeonBf16};

/// Does multiply-adds in registers on this thread, as many as fit, and returns how many single ones that were.
///
/// Divided by the time it took, times two, it is the floating-point rate that no operator can pass that multiplies number
/// by number. A CPU without a product of pairs does no more in bf16 than in f32.
pub fn multiply_adds(precision: Precision, rounds: usize) -> usize {
    // SAFETY: `Level::best` names a set only after the machine has said that it has it.
    unsafe {
        match Level::best() {
            #[cfg(target_arch = "x86_64")]
            Level::Amx if precision == Precision::Bf16 => x86::tiles(rounds),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 if precision == Precision::Bf16 => x86::avx512_bf16(rounds),
            #[cfg(target_arch = "x86_64")]
            Level::Amx | Level::Avx512Bf16 | Level::Avx512 => x86::avx512(rounds),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::avx2(rounds),
            #[cfg(target_arch = "aarch64")]
            Level::NeonBf16 if precision == Precision::Bf16 => neon_bf16(rounds),
            #[cfg(target_arch = "aarch64")]
            Level::NeonBf16 | Level::Neon => chains::<Neon>(rounds),
            Level::Portable => chains::<Portable>(rounds),
            #[cfg(test)]
            Level::Wide => chains::<Portable>(rounds),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;

    use crate::simd::{Amx, Avx2, Avx512, Avx512Bf16, Line, Lines};

    /// Four tiles of numbers of either sign between 1 and 2: of zeros a processor multiplies more, because they cost it less power.
    static NUMBERS: [Line; 64] = {
        let mut lines = [Line([0; 16]); 64];
        let (mut place, mut word) = (0, 1u32);
        while place < 64 * 16 {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            lines[place / 16].0[place % 16] = word & 0x807f_807f | 0x3f80_3f80;
            place += 1;
        }
        lines
    };

    /// Products of tiles, four chains of them, as two tiles by two are multiplied.
    pub(super) unsafe fn tiles(rounds: usize) -> usize {
        // 16 rows times 16 columns, each a sum of 16 products of pairs.
        const PRODUCTS: usize = 16 * 16 * 32;
        if rounds == 0 {
            return 0;
        }
        // SAFETY: the machine has tiles, by the caller's promise.
        unsafe { Amx::configure() };
        // SAFETY: the tiles are configured, and four are read of as many.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "tileloadd tmm4, [{numbers} + {line}*1]",
                "tileloadd tmm5, [{numbers} + {line}*1 + 1024]",
                "tileloadd tmm6, [{numbers} + {line}*1 + 2048]",
                "tileloadd tmm7, [{numbers} + {line}*1 + 3072]",
                "2:",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {rounds}",
                "jnz 2b",
                numbers = in(reg) &raw const NUMBERS,
                line = in(reg) 64usize,
                rounds = inout(reg) rounds => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly)
            );
        }
        // SAFETY: as above.
        unsafe { Amx::release() };
        rounds * 4 * PRODUCTS
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn avx512_bf16(rounds: usize) -> usize {
        unsafe { super::pair_chains::<Avx512Bf16>(rounds) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(rounds: usize) -> usize {
        unsafe { super::chains::<Avx512>(rounds) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(rounds: usize) -> usize {
        unsafe { super::chains::<Avx2>(rounds) }
    }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,bf16")]
unsafe fn neon_bf16(rounds: usize) -> usize {
    unsafe { pair_chains::<NeonBf16>(rounds) }
}

/// Products of pairs, two multiply-adds each, in as many chains as hide how long one takes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn pair_chains<S: Simd>(rounds: usize) -> usize {
    const CHAINS: usize = 12;
    unsafe {
        let pair = S::splat_pair(&black_box(0x3f00_3f00));
        let pairs = S::load_pairs(black_box([0x3f00_3f00; 16]).as_ptr());
        let mut sums = [S::splat(black_box(0.5)); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = S::dot(pair, pairs, *sum);
            }
        }
        black_box(sums);
    }
    rounds * CHAINS * S::LANES * 2
}

/// Multiply-adds, in as many chains as hide how long one takes.
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
