//! Vectors of f32 for each kind of CPU, behind one trait, and the choice between them at run time.

#![allow(unsafe_code, reason = "vector instructions and raw pointers are what this module is for")]

mod arrays;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

#[cfg(test)]
pub(crate) use arrays::Arrays;
pub(crate) use arrays::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Avx512Bf16};

/// A vector of f32. All methods are inlined into functions that enable the instructions they need.
pub(crate) trait Simd: Copy {
    const LANES: usize;
    type Vector: Copy;
    /// For each lane two numbers of type bf16, the first in the low half.
    type Pairs: Copy;

    unsafe fn splat_pair(pair: *const u32) -> Self::Pairs;
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs;
    /// Writes the lanes rounded to bf16, the nearest and of two the even one: as pairs of neighbours.
    unsafe fn store_rounded(target: *mut u16, vector: Self::Vector);
    /// sum + a.0 · b.0 + a.1 · b.1
    unsafe fn dot(a: Self::Pairs, b: Self::Pairs, sum: Self::Vector) -> Self::Vector;

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
    unsafe fn div(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The smaller of both, or `b` where one of them is NaN.
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger of both, or `b` where one of them is NaN.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// 2ⁿ, where n between -126 and 127 was added to 1.5 · 2²³ and so lies in the low bits.
    unsafe fn power_of_two(shifted: Self::Vector) -> Self::Vector;
}

/// The environment variable that forces an instruction set, for tests and comparisons.
const VARIABLE: &str = "ONESTEP_INSTRUCTIONS";

/// The instruction set that the loops on the CPU are going to use: `avx512bf16`, `avx512`, `avx2` or `portable`.
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
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
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
            Self::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
            #[cfg(test)]
            Self::Wide => "wide",
        }
    }

    /// The levels this machine has, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") {
                if is_x86_feature_detected!("avx512bf16") {
                    levels.push(Self::Avx512Bf16);
                }
                levels.push(Self::Avx512);
            }
            if avx2 {
                levels.push(Self::Avx2);
            }
        }
        levels.push(Self::Portable);
        #[cfg(test)]
        levels.push(Self::Wide);
        levels
    }
}
