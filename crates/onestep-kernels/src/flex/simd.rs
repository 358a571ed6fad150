//! Vectors of f32 for each kind of CPU, behind one trait, and the choice between them at run time.

#![allow(unsafe_code, reason = "vector instructions and raw pointers are what this module is for")]

use std::sync::OnceLock;

/// A vector of f32. All methods are inlined into functions that enable the instructions they need.
pub(crate) trait Simd: Copy {
    const LANES: usize;
    type Vector: Copy;

    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(source: *const f32) -> Self::Vector;
    unsafe fn store(target: *mut f32, vector: Self::Vector);
    /// The first `count` lanes, the rest zero; reads no further.
    unsafe fn load_first(source: *const f32, count: usize) -> Self::Vector;
    /// Writes the first `count` lanes and no further.
    unsafe fn store_first(target: *mut f32, vector: Self::Vector, count: usize);
    /// a · b + c
    unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
}

/// The instruction sets there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Level {
    /// The best level this machine has.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// The levels this machine has, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") {
                levels.push(Self::Avx512);
            }
            if avx2 {
                levels.push(Self::Avx2);
            }
        }
        levels.push(Self::Portable);
        levels
    }
}

/// Arrays that the compiler vectorises as far as the target's baseline allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Simd for Portable {
    const LANES: usize = 8;
    type Vector = [f32; 8];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self::Vector {
        unsafe { source.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(target: *mut f32, vector: Self::Vector) {
        unsafe { target.cast::<[f32; 8]>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self::Vector {
        let mut vector = [0.0; 8];
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
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx512;

    impl Simd for Avx512 {
        const LANES: usize = 16;
        type Vector = __m512;

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
    }

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx2;

    /// Eight ones after eight zeros: a window into it masks the first lanes.
    static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    unsafe fn first(count: usize) -> __m256i {
        unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - count).cast()) }
    }

    impl Simd for Avx2 {
        const LANES: usize = 8;
        type Vector = __m256;

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
    }
}
