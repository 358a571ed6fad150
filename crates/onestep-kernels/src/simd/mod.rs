//! First floor: instruction sets. Vectors of f32 for each kind of CPU behind one trait, the choice between them at run time,
//! and the numbers of half the length that some of them multiply.

#[cfg(target_arch = "x86_64")]
mod amx;
mod arrays;
mod bf16;
mod level;
#[cfg_attr(
    not(any(target_arch = "x86_64", test)),
    allow(dead_code, reason = "no other architecture has tiles")
)]
mod lines;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
mod vector;
mod vectorised;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::Amx;
#[cfg(test)]
pub(crate) use arrays::Arrays;
pub(crate) use arrays::Portable;
pub use bf16::Precision;
pub(crate) use bf16::narrow;
pub(crate) use level::Level;
pub use level::instructions;
pub(crate) use lines::{Line, Lines};
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{Neon, NeonBf16};
pub(crate) use vector::Simd;
pub(crate) use vectorised::vectorised;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Avx512Bf16};
