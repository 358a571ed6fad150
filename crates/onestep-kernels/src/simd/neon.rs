//! Vectors of NEON, two registers each.
//!
//! An ARM CPU has 32 registers of four numbers. With eight lanes, as everywhere else at least, a tile of six rows and two vectors
//! takes 24 of them for the sums, four for the columns, and what is left for the rows. Sums of outer products have tiles of four
//! rows: of six, the compiler keeps some in memory.

#![allow(unsafe_code, reason = "vector instructions")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::vector::Simd;

/// The methods of NEON but for those of pairs.
macro_rules! neon {
    () => {
        const LANES: usize = 8;
        type Vector = [float32x4_t; 2];

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self::Vector {
            unsafe { [vdupq_n_f32(value); 2] }
        }

        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self::Vector {
            unsafe { [vld1q_f32(source), vld1q_f32(source.add(4))] }
        }

        #[inline(always)]
        unsafe fn store(target: *mut f32, [low, high]: Self::Vector) {
            unsafe {
                vst1q_f32(target, low);
                vst1q_f32(target.add(4), high);
            }
        }

        #[inline(always)]
        unsafe fn load_first(source: *const f32, count: usize) -> Self::Vector {
            unsafe {
                [load_first(source, count), load_first(source.wrapping_add(4), count.saturating_sub(4))]
            }
        }

        #[inline(always)]
        unsafe fn store_first(target: *mut f32, [low, high]: Self::Vector, count: usize) {
            unsafe {
                store_first(target, low, count);
                store_first(target.wrapping_add(4), high, count.saturating_sub(4));
            }
        }

        #[inline(always)]
        unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
            unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
        }

        #[inline(always)]
        unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
        }

        #[inline(always)]
        unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            unsafe { [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1])] }
        }

        #[inline(always)]
        unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            unsafe { [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])] }
        }

        #[inline(always)]
        unsafe fn reciprocal(x: Self::Vector) -> Self::Vector {
            unsafe { x.map(|x| vdivq_f32(vdupq_n_f32(1.0), x)) }
        }

        // The instructions for the smaller and the larger make a NaN of either side the result.
        #[inline(always)]
        unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            unsafe { [0, 1].map(|half| vbslq_f32(vcltq_f32(a[half], b[half]), a[half], b[half])) }
        }

        #[inline(always)]
        unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            unsafe { [0, 1].map(|half| vbslq_f32(vcgtq_f32(a[half], b[half]), a[half], b[half])) }
        }

        #[inline(always)]
        unsafe fn power_of_two(shifted: Self::Vector) -> Self::Vector {
            unsafe {
                shifted.map(|shifted| {
                    let exponent = vaddq_s32(vreinterpretq_s32_f32(shifted), vdupq_n_s32(127));
                    vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
                })
            }
        }
    };
}

/// The first `count` of four lanes, all of them where it is more.
#[inline(always)]
unsafe fn load_first(source: *const f32, count: usize) -> float32x4_t {
    // SAFETY: no lane is read beyond the first `count`, which are valid by the caller's promise.
    unsafe {
        let zero = vdupq_n_f32(0.0);
        match count {
            0 => zero,
            1 => vld1q_lane_f32::<0>(source, zero),
            2 => vcombine_f32(vld1_f32(source), vget_low_f32(zero)),
            3 => vld1q_lane_f32::<2>(source.add(2), vcombine_f32(vld1_f32(source), vget_low_f32(zero))),
            _ => vld1q_f32(source),
        }
    }
}

/// Writes the first `count` of four lanes, all of them where it is more.
#[inline(always)]
unsafe fn store_first(target: *mut f32, lanes: float32x4_t, count: usize) {
    // SAFETY: no lane is written beyond the first `count`, which are valid by the caller's promise.
    unsafe {
        match count {
            0 => {}
            1 => vst1q_lane_f32::<0>(target, lanes),
            2 => vst1_f32(target, vget_low_f32(lanes)),
            3 => {
                vst1_f32(target, vget_low_f32(lanes));
                vst1q_lane_f32::<2>(target.add(2), lanes);
            }
            _ => vst1q_f32(target, lanes),
        }
    }
}

/// NEON, which every 64-bit ARM CPU has; its product of pairs is made of two multiply-adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon;

impl Simd for Neon {
    neon!();

    type Pair = [f32; 2];
    type Pairs = [[float32x4_t; 2]; 2];

    #[inline(always)]
    unsafe fn splat_pair(pair: *const u32) -> [f32; 2] {
        let pair = unsafe { *pair };
        [f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000)]
    }

    #[inline(always)]
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs {
        unsafe {
            let pairs = [vld1q_u32(source), vld1q_u32(source.add(4))];
            let second = vdupq_n_u32(0xffff_0000);
            [
                pairs.map(|pairs| vreinterpretq_f32_u32(vshlq_n_u32::<16>(pairs))),
                pairs.map(|pairs| vreinterpretq_f32_u32(vandq_u32(pairs, second))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store_rounded(target: *mut u16, vector: Self::Vector) {
        unsafe {
            let [low, high] = vector.map(|numbers| {
                let bits = vreinterpretq_u32_f32(numbers);
                let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
                let rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
                // Rounding must not turn a NaN into infinity or zero.
                let quiet = vorrq_u32(bits, vdupq_n_u32(0x40_0000));
                vshrn_n_u32::<16>(vbslq_u32(vceqq_f32(numbers, numbers), rounded, quiet))
            });
            vst1q_u16(target, vcombine_u16(low, high));
        }
    }

    #[inline(always)]
    unsafe fn dot(pair: [f32; 2], pairs: Self::Pairs, sum: Self::Vector) -> Self::Vector {
        let [first, second] = pairs;
        let dot = |half| unsafe {
            vfmaq_n_f32(vfmaq_n_f32(sum[half], first[half], pair[0]), second[half], pair[1])
        };
        [dot(0), dot(1)]
    }
}

/// NEON with its product of pairs of bf16.
///
/// The product takes denormal numbers for zero and makes none, and it rounds every sum to the odd one of its neighbours, which
/// is up to twice as far away as the nearest: both far below what rounding the factors to bf16 has cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NeonBf16;

impl Simd for NeonBf16 {
    neon!();

    /// As a number, so that it is loaded into a register of vectors: the product takes it from there for all lanes.
    type Pair = f32;
    type Pairs = [uint32x4_t; 2];

    #[inline(always)]
    unsafe fn splat_pair(pair: *const u32) -> f32 {
        unsafe { *pair.cast::<f32>() }
    }

    #[inline(always)]
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs {
        unsafe { [vld1q_u32(source), vld1q_u32(source.add(4))] }
    }

    #[inline(always)]
    unsafe fn store_rounded(target: *mut u16, [low, high]: Self::Vector) {
        unsafe { vst1q_u16(target, bfcvtn(low, high)) }
    }

    #[inline(always)]
    unsafe fn dot(pair: f32, pairs: Self::Pairs, sum: Self::Vector) -> Self::Vector {
        unsafe { [bfdot(sum[0], pairs[0], pair), bfdot(sum[1], pairs[1], pair)] }
    }
}

/// Eight numbers rounded to bf16.
#[inline]
#[target_feature(enable = "bf16")]
fn bfcvtn(low: float32x4_t, high: float32x4_t) -> uint16x8_t {
    let mut rounded;
    // SAFETY: the instructions are there, as the attribute says, and touch nothing but these registers.
    unsafe {
        asm!(
            "bfcvtn {rounded:v}.4h, {low:v}.4s",
            "bfcvtn2 {rounded:v}.8h, {high:v}.4s",
            rounded = out(vreg) rounded,
            low = in(vreg) low,
            high = in(vreg) high,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    rounded
}

/// For each lane, the sum of it and of the products of two pairs of bf16.
#[inline]
#[target_feature(enable = "bf16")]
fn bfdot(mut sum: float32x4_t, pairs: uint32x4_t, pair: f32) -> float32x4_t {
    // SAFETY: the instruction is there, as the attribute says, and touches nothing but these registers.
    unsafe {
        asm!(
            "bfdot {sum:v}.4s, {pairs:v}.8h, {pair:v}.2h[0]",
            sum = inout(vreg) sum,
            pairs = in(vreg) pairs,
            pair = in(vreg) pair,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
