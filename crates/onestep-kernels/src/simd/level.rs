//! The choice of an instruction set at run time.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::amx;

/// The environment variable that forces an instruction set, for tests and comparisons.
const VARIABLE: &str = "ONESTEP_INSTRUCTIONS";

/// The instruction set that the loops on the CPU are going to use: `amx`, `avx512bf16`, `avx512` or `avx2`,
/// `neonbf16` or `neon`, or `portable`.
///
/// The best that the machine has, unless the environment variable `ONESTEP_INSTRUCTIONS` names another one.
///
/// # Errors
///
/// What is wrong with the variable, if it names one that this machine lacks; the operators would panic.
pub fn instructions() -> Result<&'static str, String> {
    Level::chosen().map(Level::name)
}

/// The instruction sets there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// AVX512-BF16 and tiles.
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON with products of bf16.
    #[cfg(target_arch = "aarch64")]
    NeonBf16,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
    /// The shapes of AVX-512 without its instructions, so that tests see them on any machine.
    #[cfg(test)]
    Wide,
}

impl Level {
    /// The level that all loops run at: the best this machine has, or the one that [`VARIABLE`] names.
    ///
    /// # Panics
    ///
    /// If it names one that this machine lacks; [`instructions`] tells beforehand.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::chosen().unwrap_or_else(|message| panic!("{message}")))
    }

    fn chosen() -> Result<Self, String> {
        let available = Self::available();
        let Some(wanted) = std::env::var_os(VARIABLE) else { return Ok(available[0]) };
        let names: Vec<&str> = available.iter().map(|level| level.name()).collect();
        let found = available.iter().find(|level| wanted == *level.name());
        found
            .copied()
            .ok_or_else(|| format!("{VARIABLE} is {wanted:?}, but this machine has {}", names.join(", ")))
    }

    /// What it is called in [`VARIABLE`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => "amx",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::NeonBf16 => "neonbf16",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            Self::Portable => "portable",
            #[cfg(test)]
            Self::Wide => "wide",
        }
    }

    /// Whether products of bf16 are faster than those of f32.
    ///
    /// Tiles multiply sixteen times as fast as vectors of f32. The product of pairs of AVX512-BF16 has twice the rate of f32 on
    /// AMD's processors and half of it on Intel's. One of NEON does as many multiply-adds as two of f32, and on ARM's server cores
    /// (Neoverse) both are expected to take the same time, which was not measured. What has none of them would make each product
    /// of two.
    pub(crate) fn gains_by_bf16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => !is_intel(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => false,
            #[cfg(target_arch = "aarch64")]
            Self::NeonBf16 => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => false,
            Self::Portable => false,
            #[cfg(test)]
            Self::Wide => false,
        }
    }

    /// The levels this machine has, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") {
                if amx::available() {
                    levels.push(Self::Amx);
                }
                if is_x86_feature_detected!("avx512bf16") {
                    levels.push(Self::Avx512Bf16);
                }
                levels.push(Self::Avx512);
            }
            if avx2 {
                levels.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if std::arch::is_aarch64_feature_detected!("bf16") {
                levels.push(Self::NeonBf16);
            }
            levels.push(Self::Neon);
        }
        levels.push(Self::Portable);
        #[cfg(test)]
        levels.push(Self::Wide);
        levels
    }
}

#[cfg(target_arch = "x86_64")]
fn is_intel() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    name.as_flattened() == b"GenuineIntel"
}
