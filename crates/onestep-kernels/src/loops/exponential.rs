//! The exponential and what is made of it, for one number and for a vector.
//!
//! Both take x = n ln 2 + r with |r| ≤ ln 2 / 2, a polynomial for eʳ, and 2ⁿ built from bits, and still there are two of
//! them, with different bits. The scalar one stands in loops over elements that the compiler vectorises: it fuses no
//! multiplication with an addition, so that its bits are the same at every instruction set, and reaches as far as f32 does.
//! The vector one stands in the loops of the norms, which are written for one set each: it fuses, and stops where a sigmoid
//! has long come to its end, which saves it a factor.

#![allow(unsafe_code, reason = "vector instructions; callers run on machines that have them")]

use crate::simd::Simd;

/// 1.5 · 2²³: adding and subtracting it rounds to the nearest integer, which then sits in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// ln 2 but for [`LN_2_LOW`], in so few bits that small integers times it are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
/// What [`LN_2_HIGH`] is too large by.
const LN_2_LOW: f32 = 2.121_944_4e-4;
/// Of r⁷ to r² in eʳ.
const COEFFICIENTS: [f32; 6] =
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// eˣ within 2e-7 relative, for any x; 0 below -87.3 and infinite above 88.7.
///
/// 2ⁿ comes in two factors, so that both ends of the range come out right.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let clamped = x.clamp(-104.0, 89.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN_2_HIGH) + n * LN_2_LOW;
    let mut polynomial = COEFFICIENTS[0];
    for coefficient in &COEFFICIENTS[1..] {
        polynomial = polynomial * r + coefficient;
    }
    let fraction = polynomial * (r * r) + r + 1.0;
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |exponent: i32| f32::from_bits((exponent.wrapping_add(127) << 23) as u32);
    fraction * power(half) * power(n.wrapping_sub(half))
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// x · sigmoid(x)
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

/// eˣ within 3e-7 relative between -87 and 87; beyond, what it is at the ends, so that a sigmoid never falls below 1e-38.
/// NaN stays NaN.
///
/// # Safety
///
/// As for [`Simd`].
#[inline(always)]
unsafe fn vector_exp<S: Simd>(x: S::Vector) -> S::Vector {
    unsafe {
        let x = S::max(S::splat(-87.0), S::min(S::splat(87.0), x));
        let shifted = S::mul_add(x, S::splat(std::f32::consts::LOG2_E), S::splat(ROUND));
        let n = S::sub(shifted, S::splat(ROUND));
        let r = S::mul_add(n, S::splat(-LN_2_HIGH), x);
        let r = S::mul_add(n, S::splat(LN_2_LOW), r);
        let mut polynomial = S::splat(COEFFICIENTS[0]);
        for coefficient in &COEFFICIENTS[1..] {
            polynomial = S::mul_add(polynomial, r, S::splat(*coefficient));
        }
        let fraction = S::add(S::mul_add(polynomial, S::mul(r, r), r), S::splat(1.0));
        S::mul(fraction, S::power_of_two(shifted))
    }
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
unsafe fn vector_sigmoid<S: Simd>(x: S::Vector) -> S::Vector {
    unsafe { S::reciprocal(S::add(S::splat(1.0), vector_exp::<S>(S::sub(S::splat(0.0), x)))) }
}

/// x · sigmoid(x)
///
/// # Safety
///
/// As for [`Simd`].
#[inline(always)]
pub(super) unsafe fn vector_silu<S: Simd>(x: S::Vector) -> S::Vector {
    unsafe { S::mul(x, vector_sigmoid::<S>(x)) }
}

/// The derivative of [`vector_silu`]: s + x s (1 − s).
///
/// # Safety
///
/// As for [`Simd`].
#[inline(always)]
pub(super) unsafe fn vector_silu_slope<S: Simd>(x: S::Vector) -> S::Vector {
    unsafe {
        let s = vector_sigmoid::<S>(x);
        S::mul_add(S::mul(x, s), S::sub(S::splat(1.0), s), s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Arrays;

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
    fn vector_exp_is_accurate_over_the_whole_range() {
        let mut worst = 0.0f64;
        for step in -870_000..=870_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            // SAFETY: arrays need no instructions of their own.
            let [actual] = unsafe { vector_exp::<Arrays<1>>([x]) };
            worst = worst.max((f64::from(actual) - exact).abs() / exact);
        }
        assert!(worst < 3e-7, "relative error {worst:e}");
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
