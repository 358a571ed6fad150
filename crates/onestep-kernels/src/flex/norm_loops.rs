//! The loops of group normalisation over the pixels of one image.
//!
//! Each goes down the pixels two vectors of neighbouring channels at a time, whose coefficients and sums stay in registers.

#![allow(unsafe_code, reason = "loops over vectors of checked slices")]

use super::simd::Simd;

type Apply = unsafe fn(&[f32], [&[f32]; 3], &mut [f32]);
type Tangent = unsafe fn([&[f32]; 2], [&[f32]; 5], &mut [f32]);
type Along = unsafe fn([&[f32]; 2], [&[f32]; 2], [&mut [f32]; 2]);
type Slopes = unsafe fn([&[f32]; 2], [&[f32]; 4], &mut [f32], [&mut [f32]; 2]);

/// The loops of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct NormLoops {
    /// Per channel, the mean of some pixels and the sum of squares around it.
    pub moments: unsafe fn(&[f32], [&mut [f32]; 2]),
    /// activation((x − mean) · factor + term), per channel; without and with SiLU.
    pub apply: [Apply; 2],
    /// The gradient dz of the activation's argument, and per channel the sums of dz and of dz times the normalised input,
    /// by mean, inverse deviation, factor and term; without and with SiLU.
    pub slopes: [Slopes; 2],
    /// Turns dz into the gradient of the input: dz · factor − constant − (x − mean) · slope, per channel.
    pub input: unsafe fn(&[f32], [&[f32]; 4], &mut [f32]),
    /// Per channel, the sums of a tangent and of the tangent times the normalised input, by mean and inverse deviation.
    pub along: Along,
    /// The tangent of the activation's result: (tangent · factor + (x − mean) · slope + constant) · activation'(z) with
    /// z = (x − mean) · factor + term, by mean, factor, term, slope and constant; without and with SiLU.
    pub tangent: [Tangent; 2],
}

/// Calls `body(first channel, valid channels of this vector)` for vectors that cover all channels.
#[inline(always)]
fn vectors<S: Simd>(channels: usize, mut body: impl FnMut(usize, usize)) {
    for first in (0..channels).step_by(S::LANES) {
        body(first, S::LANES.min(channels - first));
    }
}

#[inline(always)]
unsafe fn load<S: Simd>(values: *const f32, valid: usize) -> S::Vector {
    unsafe { if valid == S::LANES { S::load(values) } else { S::load_first(values, valid) } }
}

#[inline(always)]
unsafe fn store<S: Simd>(target: *mut f32, vector: S::Vector, valid: usize) {
    unsafe {
        if valid == S::LANES { S::store(target, vector) } else { S::store_first(target, vector, valid) }
    }
}

/// eˣ within 3e-7 relative between -87 and 88; beyond, what it is at the ends, so that a sigmoid never falls below 6e-39.
/// NaN stays NaN.
///
/// Range reduction x = n ln 2 + r with |r| ≤ ln 2 / 2, a polynomial for eʳ, and 2ⁿ built from bits.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::Vector) -> S::Vector {
    unsafe {
        // Adding and subtracting 1.5 · 2²³ rounds to the nearest integer.
        let round = S::splat(12_582_912.0);
        let x = S::max(S::splat(-87.0), S::min(S::splat(88.0), x));
        let shifted = S::mul_add(x, S::splat(std::f32::consts::LOG2_E), round);
        let n = S::sub(shifted, round);
        // ln 2 in two parts, the first exact in few bits so that n times it is exact.
        let r = S::mul_add(n, S::splat(-0.693_359_4), x);
        let r = S::mul_add(n, S::splat(2.121_944_4e-4), r);
        let mut polynomial = S::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            polynomial = S::mul_add(polynomial, r, S::splat(coefficient));
        }
        let fraction = S::add(S::mul_add(polynomial, S::mul(r, r), r), S::splat(1.0));
        S::mul(fraction, S::power_of_two(shifted))
    }
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
unsafe fn sigmoid<S: Simd>(x: S::Vector) -> S::Vector {
    unsafe { S::div(S::splat(1.0), S::add(S::splat(1.0), exp::<S>(S::sub(S::splat(0.0), x)))) }
}

#[inline(always)]
pub(crate) unsafe fn moments<S: Simd>(input: &[f32], [mean, squares]: [&mut [f32]; 2]) {
    let channels = mean.len();
    assert!(squares.len() == channels && input.len().is_multiple_of(channels));
    let pixels = input.len() / channels;
    // SAFETY: all pointers stay within the slices, whose lengths were checked.
    vectors::<S>(channels, |first, valid| unsafe {
        let input = input.as_ptr().add(first);
        let mut sum = S::splat(0.0);
        for pixel in 0..pixels {
            sum = S::add(sum, load::<S>(input.add(pixel * channels), valid));
        }
        let average = S::mul(sum, S::splat(1.0 / pixels as f32));
        let mut sum = S::splat(0.0);
        for pixel in 0..pixels {
            let centred = S::sub(load::<S>(input.add(pixel * channels), valid), average);
            sum = S::mul_add(centred, centred, sum);
        }
        store::<S>(mean.as_mut_ptr().add(first), average, valid);
        store::<S>(squares.as_mut_ptr().add(first), sum, valid);
    });
}

#[inline(always)]
pub(crate) unsafe fn apply<S: Simd, const SILU: bool>(
    input: &[f32],
    affine: [&[f32]; 3],
    output: &mut [f32],
) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len() == output.len());
    assert!(input.len().is_multiple_of(channels));
    // SAFETY: as above.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, factor, term] = affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        for pixel in 0..input.len() / channels {
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let mut z = S::mul_add(centred, factor, term);
            if SILU {
                z = S::mul(z, sigmoid::<S>(z));
            }
            store::<S>(output.as_mut_ptr().add(at), z, valid);
        }
    });
}

#[inline(always)]
pub(crate) unsafe fn slopes<S: Simd, const SILU: bool>(
    [input, gradient]: [&[f32]; 2],
    affine: [&[f32]; 4],
    slopes: &mut [f32],
    [plain, weighted]: [&mut [f32]; 2],
) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len().is_multiple_of(channels));
    assert!([gradient.len(), slopes.len()] == [input.len(); 2]);
    assert!([plain.len(), weighted.len()] == [channels; 2]);
    // SAFETY: as above.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, inverse, factor, term] = affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        let mut sums = [S::splat(0.0); 2];
        for pixel in 0..input.len() / channels {
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let mut dz = load::<S>(gradient.as_ptr().add(at), valid);
            if SILU {
                let z = S::mul_add(centred, factor, term);
                let s = sigmoid::<S>(z);
                // s + z s (1 − s)
                dz = S::mul(dz, S::mul_add(S::mul(z, s), S::sub(S::splat(1.0), s), s));
            }
            sums[0] = S::add(sums[0], dz);
            sums[1] = S::mul_add(dz, S::mul(centred, inverse), sums[1]);
            store::<S>(slopes.as_mut_ptr().add(at), dz, valid);
        }
        store::<S>(plain.as_mut_ptr().add(first), sums[0], valid);
        store::<S>(weighted.as_mut_ptr().add(first), sums[1], valid);
    });
}

#[inline(always)]
pub(crate) unsafe fn input<S: Simd>(input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len().is_multiple_of(channels));
    assert_eq!(slopes.len(), input.len());
    // SAFETY: as above.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, factor, constant, slope] =
            affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        for pixel in 0..input.len() / channels {
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let dz = load::<S>(slopes.as_ptr().add(at), valid);
            let rest = S::mul_add(centred, slope, constant);
            store::<S>(slopes.as_mut_ptr().add(at), S::sub(S::mul(dz, factor), rest), valid);
        }
    });
}

#[inline(always)]
pub(crate) unsafe fn along<S: Simd>(
    [input, tangent]: [&[f32]; 2],
    affine: [&[f32]; 2],
    [plain, weighted]: [&mut [f32]; 2],
) {
    let channels = affine[0].len();
    assert!(affine[1].len() == channels && [plain.len(), weighted.len()] == [channels; 2]);
    assert!(input.len().is_multiple_of(channels) && tangent.len() == input.len());
    // SAFETY: as above.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, inverse] = affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        let mut sums = [S::splat(0.0); 2];
        for pixel in 0..input.len() / channels {
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let tangent = load::<S>(tangent.as_ptr().add(at), valid);
            sums[0] = S::add(sums[0], tangent);
            sums[1] = S::mul_add(tangent, S::mul(centred, inverse), sums[1]);
        }
        store::<S>(plain.as_mut_ptr().add(first), sums[0], valid);
        store::<S>(weighted.as_mut_ptr().add(first), sums[1], valid);
    });
}

#[inline(always)]
pub(crate) unsafe fn tangent<S: Simd, const SILU: bool>(
    [input, tangent]: [&[f32]; 2],
    affine: [&[f32]; 5],
    output: &mut [f32],
) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len().is_multiple_of(channels));
    assert!([tangent.len(), output.len()] == [input.len(); 2]);
    // SAFETY: as above.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, factor, term, slope, constant] =
            affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        for pixel in 0..input.len() / channels {
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let tangent = load::<S>(tangent.as_ptr().add(at), valid);
            let mut dz = S::mul_add(tangent, factor, S::mul_add(centred, slope, constant));
            if SILU {
                let z = S::mul_add(centred, factor, term);
                let s = sigmoid::<S>(z);
                // s + z s (1 − s)
                dz = S::mul(dz, S::mul_add(S::mul(z, s), S::sub(S::splat(1.0), s), s));
            }
            store::<S>(output.as_mut_ptr().add(at), dz, valid);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::kernels::Kernels;
    use super::super::simd::Arrays;
    use crate::flex::simd::Level;

    #[test]
    fn exp_is_accurate_over_the_whole_range() {
        let mut worst = 0.0f64;
        for step in -870_000..=880_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            let [actual] = unsafe { super::exp::<Arrays<1>>([x]) };
            worst = worst.max((f64::from(actual) - exact).abs() / exact);
        }
        assert!(worst < 3e-7, "relative error {worst:e}");
    }

    #[test]
    fn silu_ends_well_at_every_instruction_set() {
        let input = [-1e30, -200.0, -20.0, 0.0, 20.0, 200.0, 1e30, f32::NAN, 1.0, f32::INFINITY];
        for level in Level::available() {
            let mut output = [0.0; 10];
            let (zero, one) = ([0.0; 10], [1.0; 10]);
            // SAFETY: the level is one that this machine has.
            unsafe { (Kernels::of(level).norm.apply[1])(&input, [&zero, &one, &zero], &mut output) };
            assert!(output[0].abs() < 1e-6 && output[1].abs() < 1e-30 && output[3] == 0.0, "{output:?}");
            assert!((output[2] + 20.0 * (-20.0f32).exp()).abs() < 1e-13);
            assert_eq!([output[4], output[5], output[6]], [20.0, 200.0, 1e30]);
            assert!(output[7].is_nan());
            assert!((output[8] - 0.731_058_6).abs() < 1e-6);
        }
    }
}
