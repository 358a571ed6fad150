//! Loops over elements that the compiler vectorises for the best instruction set of the machine.
//!
//! Nothing here uses fused multiply-adds, so each element has the same bits whatever the instruction set and wherever in
//! the loop it stands.

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

            match $crate::flex::simd::Level::best() {
                // SAFETY: the level is one that this machine has.
                #[cfg(target_arch = "x86_64")]
                $crate::flex::simd::Level::Avx512Bf16 | $crate::flex::simd::Level::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::flex::simd::Level::Avx2 => unsafe { avx2($($argument),*) },
                $crate::flex::simd::Level::Portable => body($($argument),*),
                #[cfg(test)]
                $crate::flex::simd::Level::Wide => body($($argument),*),
            }
        }
    };
}
pub(crate) use vectorised;

/// The value, or the bound that it lies beyond; NaN stays.
#[inline(always)]
pub(crate) fn cut_off(value: f32, [low, high]: [f32; 2]) -> f32 {
    let value = if low > value { low } else { value };
    if high < value { high } else { value }
}

/// eˣ within 2e-7 relative, for any x; 0 below -87.3 and infinite above 88.7.
///
/// Range reduction x = n ln 2 + r with |r| ≤ ln 2 / 2, then a polynomial for eʳ and 2ⁿ built from bits in two factors, so
/// that both ends of the range come out right.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5 · 2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-104.0, 89.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first exact in few bits so that n times it is exact.
    let r = (clamped - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut polynomial = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        polynomial = polynomial * r + coefficient;
    }
    let fraction = polynomial * (r * r) + r + 1.0;
    // The integer sits in the low bits of `shifted`.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |exponent: i32| f32::from_bits((exponent.wrapping_add(127) << 23) as u32);
    fraction * power(half) * power(n.wrapping_sub(half))
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// The derivative of [`silu`].
#[inline(always)]
pub(crate) fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_the_whole_range() {
        let mut worst = 0.0f64;
        for step in -870_000..=887_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2e-7, "relative error {worst:e}");
    }

    #[test]
    fn exp_ends_well() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(1000.0), f32::INFINITY);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
        // Denormal results exist.
        assert!((exp(-100.0) - 3.78e-44).abs() < 1e-45);
    }

    #[test]
    fn silu_ends_well() {
        assert_eq!(silu(-200.0), -0.0);
        assert_eq!(silu(200.0), 200.0);
        assert_eq!(silu_slope(-200.0), 0.0);
        assert_eq!(silu_slope(200.0), 1.0);
        assert!(silu(f32::NAN).is_nan());
    }
}
