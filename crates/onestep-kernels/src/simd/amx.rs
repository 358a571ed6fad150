//! Tiles of bf16 (AMX): whether the machine has them, their state on a thread, and the vectors that go with them.

#![allow(
    unsafe_code,
    reason = "asks the kernel for the tiles, switches them on and off, and vector instructions"
)]

use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::lines::{Line, Lines};
use super::vector::Simd;
use super::x86::{avx512, pairs_of_avx512_bf16};

/// Whether this machine has tiles of bf16 and vectors to go with them, and the process may use them.
///
/// A thread may use tiles only after the process has asked the kernel, which can refuse: old kernels, sandboxes, and processes
/// whose signal stacks are too small. It is asked once.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_tiles() && permitted())
}

fn has_tiles() -> bool {
    let vectors = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    // Leaf 7 exists wherever AVX-512 does. AMX-BF16 is bit 22 of EDX, AMX-TILE bit 24.
    vectors && {
        let features = __cpuid_count(7, 0).edx;
        features >> 22 & 1 == 1 && features >> 24 & 1 == 1
    }
}

/// Asks for the tiles' state, for all threads of the process.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const REQUEST: libc::c_int = 0x1023; // ARCH_REQ_XCOMP_PERM
    const TILE_DATA: libc::c_ulong = 18; // XFEATURE_XTILEDATA
    // SAFETY: the call takes two numbers and touches no memory of this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

/// How other systems are asked is not known here.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Palette 1: eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Configuration(bytes)
};

/// Configures the tiles of this thread: eight of 16 rows of 64 bytes, zero.
///
/// # Safety
///
/// The level of the machine is [`Level::Amx`](super::Level::Amx).
#[inline(always)]
unsafe fn configure() {
    // SAFETY: the machine has tiles and the process its permission, by the caller's promise; the configuration is valid.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly, preserves_flags))
    };
}

/// Gives the tiles of this thread up. A thread without them has eight kilobytes less to be switched with.
///
/// # Safety
///
/// As [`configure`].
#[inline(always)]
unsafe fn release() {
    // SAFETY: the machine has tiles, by the caller's promise.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// AVX-512 with bf16, and tiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amx;

impl Simd for Amx {
    avx512!();
    pairs_of_avx512_bf16!();
}

/// Words of two lines of which the first is that of the low and the second that of the high line, of the lanes in order.
static PAIRED: [u16; 32] = {
    let mut order = [0; 32];
    let mut word = 0;
    while word < 32 {
        order[word] = (word / 2 + 16 * (word % 2)) as u16;
        word += 1;
    }
    order
};

impl Lines for Amx {
    type Register = __m512i;

    #[inline(always)]
    unsafe fn configure() {
        unsafe { configure() }
    }

    #[inline(always)]
    unsafe fn release() {
        unsafe { release() }
    }

    #[inline(always)]
    unsafe fn joined(low: __m512, high: __m512) -> __m512i {
        // SAFETY: the caller's promise, as the trait has it. Both types are 512 bits, of which every pattern is a value.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
    }

    #[inline(always)]
    unsafe fn paired(first: __m512, second: __m512) -> __m512i {
        unsafe {
            _mm512_permutexvar_epi16(_mm512_loadu_si512(PAIRED.as_ptr().cast()), Self::joined(first, second))
        }
    }

    #[inline(always)]
    unsafe fn interleaved(first: __m512i, second: __m512i) -> [__m512i; 2] {
        unsafe { [_mm512_unpacklo_epi16(first, second), _mm512_unpackhi_epi16(first, second)] }
    }

    #[inline(always)]
    unsafe fn load_line(source: *const Line) -> __m512i {
        unsafe { _mm512_load_si512(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store_line(target: *mut Line, line: __m512i) {
        unsafe { _mm512_store_si512(target.cast(), line) }
    }

    #[inline(always)]
    unsafe fn line_of(vector: __m512) -> __m512i {
        unsafe { _mm512_castps_si512(vector) }
    }

    #[inline(always)]
    unsafe fn vector_of(line: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(line) }
    }

    #[inline(always)]
    unsafe fn transposed(r: [__m512i; 16]) -> [__m512i; 16] {
        unsafe {
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
            }
            // q[4 i + j], in its quarter l: rows 4 i to 4 i + 3 of column 4 l + j.
            let mut q = t;
            for i in 0..4 {
                q[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
                q[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
                q[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
                q[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
            }
            // Quarters 0 and 2 of two fours of rows, then 1 and 3 of them, in the upper and the lower half of the rows.
            for j in 0..4 {
                t[j] = _mm512_shuffle_i32x4::<0x88>(q[j], q[4 + j]);
                t[4 + j] = _mm512_shuffle_i32x4::<0xdd>(q[j], q[4 + j]);
                t[8 + j] = _mm512_shuffle_i32x4::<0x88>(q[8 + j], q[12 + j]);
                t[12 + j] = _mm512_shuffle_i32x4::<0xdd>(q[8 + j], q[12 + j]);
            }
            let mut columns = t;
            for j in 0..4 {
                columns[j] = _mm512_shuffle_i32x4::<0x88>(t[j], t[8 + j]);
                columns[8 + j] = _mm512_shuffle_i32x4::<0xdd>(t[j], t[8 + j]);
                columns[4 + j] = _mm512_shuffle_i32x4::<0x88>(t[4 + j], t[12 + j]);
                columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(t[4 + j], t[12 + j]);
            }
            columns
        }
    }

    #[inline(always)]
    unsafe fn widen(source: *const u16) -> __m512 {
        unsafe {
            let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(source.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
        }
    }

    #[inline(always)]
    unsafe fn exp2(x: __m512) -> __m512 {
        unsafe {
            // 2ᶠ of what is left of x without its whole part, between 0 and 1.
            let f = _mm512_reduce_ps::<1>(x);
            let p = _mm512_fmadd_ps(f, _mm512_set1_ps(0.078_023_54), _mm512_set1_ps(0.226_066_6));
            let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695_834_8));
            let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999_924_98));
            _mm512_scalef_ps(p, x)
        }
    }

    #[inline(always)]
    unsafe fn silu(z: __m512) -> __m512 {
        unsafe {
            let e = Self::exp2(_mm512_mul_ps(z, _mm512_set1_ps(-std::f32::consts::LOG2_E)));
            _mm512_mul_ps(z, _mm512_rcp14_ps(_mm512_add_ps(e, _mm512_set1_ps(1.0))))
        }
    }
}
