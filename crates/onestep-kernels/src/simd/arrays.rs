//! Vectors for every machine.

#![allow(unsafe_code, reason = "raw pointers, as the trait has it")]

use super::bf16::narrow;
use super::vector::Simd;

/// Arrays of `L` that the compiler vectorises as far as the target's baseline allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrays<const L: usize>;

/// What every machine has.
pub(crate) type Portable = Arrays<8>;

impl<const L: usize> Simd for Arrays<L> {
    const LANES: usize = L;
    type Vector = [f32; L];
    type Pair = Self::Pairs;
    type Pairs = [[f32; L]; 2];

    #[inline(always)]
    unsafe fn splat_pair(pair: *const u32) -> Self::Pairs {
        let pair = unsafe { *pair };
        [[f32::from_bits(pair << 16); L], [f32::from_bits(pair & 0xffff_0000); L]]
    }

    #[inline(always)]
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs {
        let pairs = unsafe { source.cast::<[u32; L]>().read_unaligned() };
        [pairs.map(|pair| f32::from_bits(pair << 16)), pairs.map(|pair| f32::from_bits(pair & 0xffff_0000))]
    }

    #[inline(always)]
    unsafe fn store_rounded(target: *mut u16, vector: Self::Vector) {
        unsafe { target.cast::<[u16; L]>().write_unaligned(vector.map(|value| narrow(value) as u16)) }
    }

    #[inline(always)]
    unsafe fn dot(a: Self::Pairs, b: Self::Pairs, sum: Self::Vector) -> Self::Vector {
        unsafe { Self::mul_add(a[1], b[1], Self::mul_add(a[0], b[0], sum)) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        [value; L]
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self::Vector {
        unsafe { source.cast::<[f32; L]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(target: *mut f32, vector: Self::Vector) {
        unsafe { target.cast::<[f32; L]>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self::Vector {
        let mut vector = [0.0; L];
        for (lane, value) in vector.iter_mut().enumerate().take(count) {
            *value = unsafe { *source.add(lane) };
        }
        vector
    }

    #[inline(always)]
    unsafe fn store_first(target: *mut f32, vector: Self::Vector, count: usize) {
        for (lane, value) in vector.into_iter().enumerate().take(count) {
            unsafe { *target.add(lane) = value };
        }
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // A fused instruction only where every CPU of the architecture has one; elsewhere it would be a library call.
        std::array::from_fn(|lane| {
            if cfg!(target_arch = "aarch64") {
                a[lane].mul_add(b[lane], c[lane])
            } else {
                a[lane] * b[lane] + c[lane]
            }
        })
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn reciprocal(x: Self::Vector) -> Self::Vector {
        x.map(|x| 1.0 / x)
    }

    #[inline(always)]
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Self::Vector) -> Self::Vector {
        shifted.map(|shifted| f32::from_bits(shifted.to_bits().wrapping_add(127) << 23))
    }
}
