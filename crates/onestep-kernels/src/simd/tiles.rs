//! Tiles of bf16 (AMX): whether the machine has them, and their state on a thread.

#![allow(unsafe_code, reason = "asks the kernel for the tiles, and switches them on and off")]

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;
use std::sync::OnceLock;

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

/// The tiles of this thread, all of 16 rows of 64 bytes, for as long as it lives.
///
/// A thread without them has eight kilobytes less to be switched with, and its core can sleep deeper: they are held while a
/// task multiplies, and not between tasks. No task holds them twice.
#[derive(Debug)]
pub(crate) struct HeldTiles(PhantomData<*const ()>);

impl HeldTiles {
    /// Configures the tiles of this thread.
    ///
    /// # Safety
    ///
    /// The level of the machine is [`Level::Amx`](super::Level::Amx), and this thread holds no tiles.
    #[inline(always)]
    pub(crate) unsafe fn take() -> Self {
        // SAFETY: the machine has tiles and the process its permission, by the caller's promise; the configuration is valid.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly, preserves_flags)) };
        Self(PhantomData)
    }
}

impl Drop for HeldTiles {
    fn drop(&mut self) {
        // SAFETY: whoever made this had tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}
