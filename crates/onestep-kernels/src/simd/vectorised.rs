//! Loops that the compiler vectorises for the best instruction set of the machine.
//!
//! None of the copies fuses multiplications and additions, so each element has the same bits whatever the instruction set and
//! wherever in the loop it stands.

/// Defines a function that runs its body compiled for the best instruction set there is.
///
/// The body is compiled once per instruction set; it may only contain code that is inlined.
macro_rules! vectorised {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        #[allow(unsafe_code, reason = "calls a copy of the body only on machines that have its instructions")]
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn body($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            fn avx512($($argument: $type),*) {
                body($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) {
                body($($argument),*)
            }

            match $crate::simd::Level::best() {
                // SAFETY: `Level::best` names a set only after the machine has said that it has it.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Amx | $crate::simd::Level::Avx512Bf16 | $crate::simd::Level::Avx512 => unsafe {
                    avx512($($argument),*)
                },
                // SAFETY: `Level::best` names a set only after the machine has said that it has it.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2($($argument),*) },
                // What every one of these CPUs has is what all code is compiled for.
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Level::NeonBf16 | $crate::simd::Level::Neon => body($($argument),*),
                $crate::simd::Level::Portable => body($($argument),*),
                #[cfg(test)]
                $crate::simd::Level::Wide => body($($argument),*),
            }
        }
    };
}
pub(crate) use vectorised;
