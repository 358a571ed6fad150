//! Vectors of AVX2 and AVX-512.

#![allow(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::*;

use super::vector::Simd;

/// The methods of AVX-512 but for those of pairs.
macro_rules! avx512 {
    () => {
        const LANES: usize = 16;
        type Vector = __m512;

        #[inline(always)]
        unsafe fn prefetch(address: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(source: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(source) }
        }

        #[inline(always)]
        unsafe fn store(target: *mut f32, vector: __m512) {
            unsafe { _mm512_storeu_ps(target, vector) }
        }

        #[inline(always)]
        unsafe fn load_first(source: *const f32, count: usize) -> __m512 {
            unsafe { _mm512_maskz_loadu_ps(((1u32 << count) - 1) as u16, source) }
        }

        #[inline(always)]
        unsafe fn store_first(target: *mut f32, vector: __m512, count: usize) {
            unsafe { _mm512_mask_storeu_ps(target, ((1u32 << count) - 1) as u16, vector) }
        }

        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn reciprocal(x: __m512) -> __m512 {
            unsafe {
                // A step of Newton's from 14 bits: a division keeps its unit busy four times as long.
                let near = _mm512_rcp14_ps(x);
                let error = _mm512_fnmadd_ps(x, near, _mm512_set1_ps(1.0));
                _mm512_fmadd_ps(near, error, near)
            }
        }

        #[inline(always)]
        unsafe fn min(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_min_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }

        #[inline(always)]
        unsafe fn power_of_two(shifted: __m512) -> __m512 {
            unsafe {
                let exponent = _mm512_add_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(127));
                _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
            }
        }
    };
}

pub(super) use avx512;

/// The methods of pairs where there is a product of them.
macro_rules! pairs_of_avx512_bf16 {
    () => {
        type Pair = Self::Pairs;
        type Pairs = __m512i;

        #[inline(always)]
        unsafe fn splat_pair(pair: *const u32) -> __m512i {
            unsafe { _mm512_set1_epi32(pair.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn load_pairs(source: *const u32) -> __m512i {
            unsafe { _mm512_loadu_si512(source.cast()) }
        }

        #[inline(always)]
        unsafe fn store_rounded(target: *mut u16, vector: __m512) {
            // SAFETY: the caller's promise, as the trait has it. Both types are 256 bits, of which every pattern is a value.
            unsafe {
                let rounded = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(vector));
                _mm256_storeu_si256(target.cast(), rounded);
            }
        }

        #[inline(always)]
        unsafe fn dot(a: __m512i, b: __m512i, sum: __m512) -> __m512 {
            // SAFETY: the caller's promise, as the trait has it. Both types are 512 bits, of which every pattern is a value.
            unsafe {
                let [a, b] = [a, b].map(|pairs| std::mem::transmute::<__m512i, __m512bh>(pairs));
                _mm512_dpbf16_ps(sum, a, b)
            }
        }
    };
}
pub(super) use pairs_of_avx512_bf16;

/// AVX-512, whose product of pairs is made of two multiply-adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512;

impl Simd for Avx512 {
    avx512!();

    type Pair = Self::Pairs;
    type Pairs = [__m512; 2];

    #[inline(always)]
    unsafe fn splat_pair(pair: *const u32) -> Self::Pairs {
        unsafe { Self::halves(_mm512_set1_epi32(pair.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs {
        unsafe { Self::halves(_mm512_loadu_si512(source.cast())) }
    }

    #[inline(always)]
    unsafe fn store_rounded(target: *mut u16, vector: __m512) {
        unsafe {
            let bits = _mm512_castps_si512(vector);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
            // Rounding must not turn a NaN into infinity or zero.
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(vector, vector);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
            let rounded = _mm512_srli_epi32::<16>(_mm512_mask_mov_epi32(rounded, nan, quiet));
            _mm256_storeu_si256(target.cast(), _mm512_cvtepi32_epi16(rounded));
        }
    }

    #[inline(always)]
    unsafe fn dot(a: Self::Pairs, b: Self::Pairs, sum: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a[1], b[1], _mm512_fmadd_ps(a[0], b[0], sum)) }
    }
}

impl Avx512 {
    #[inline(always)]
    unsafe fn halves(pairs: __m512i) -> [__m512; 2] {
        unsafe {
            let high = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(high)]
        }
    }
}

/// AVX-512 with its product of pairs, which takes denormal numbers for zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512Bf16;

impl Simd for Avx512Bf16 {
    avx512!();

    pairs_of_avx512_bf16!();
}

/// AVX2 with fused multiply-adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2;

/// Eight lanes taken, then eight left out: a window into it masks the first lanes.
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// A mask of the first `count` of eight lanes.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - count).cast()) }
}

impl Avx2 {
    #[inline(always)]
    unsafe fn halves(pairs: __m256i) -> [__m256; 2] {
        unsafe {
            let high = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32));
            [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs)), _mm256_castsi256_ps(high)]
        }
    }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    type Vector = __m256;
    type Pair = Self::Pairs;
    type Pairs = [__m256; 2];

    #[inline(always)]
    unsafe fn splat_pair(pair: *const u32) -> Self::Pairs {
        unsafe { Self::halves(_mm256_set1_epi32(pair.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs {
        unsafe { Self::halves(_mm256_loadu_si256(source.cast())) }
    }

    #[inline(always)]
    unsafe fn store_rounded(target: *mut u16, vector: __m256) {
        unsafe {
            let bits = _mm256_castps_si256(vector);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
            // Rounding must not turn a NaN into infinity or zero.
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(vector, vector));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let rounded = _mm256_srli_epi32::<16>(_mm256_blendv_epi8(rounded, quiet, nan));
            let [low, high] = [_mm256_castsi256_si128(rounded), _mm256_extracti128_si256::<1>(rounded)];
            _mm_storeu_si128(target.cast(), _mm_packus_epi32(low, high));
        }
    }

    #[inline(always)]
    unsafe fn dot(a: Self::Pairs, b: Self::Pairs, sum: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a[1], b[1], _mm256_fmadd_ps(a[0], b[0], sum)) }
    }

    #[inline(always)]
    unsafe fn prefetch(address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(source) }
    }

    #[inline(always)]
    unsafe fn store(target: *mut f32, vector: __m256) {
        unsafe { _mm256_storeu_ps(target, vector) }
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(source, first(count)) }
    }

    #[inline(always)]
    unsafe fn store_first(target: *mut f32, vector: __m256, count: usize) {
        unsafe { _mm256_maskstore_ps(target, first(count), vector) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn reciprocal(x: __m256) -> __m256 {
        unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), x) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
}
