//! The loops of group normalisation over the pixels of one image.
//!
//! Each goes down the pixels one vector of neighbouring channels at a time, whose coefficients and sums stay in registers.

#![allow(unsafe_code, reason = "loops over vectors of checked slices")]

use super::exponential::{vector_silu, vector_silu_slope};
use crate::simd::Simd;

type Moments = unsafe fn(&[f32], [&mut [f32]; 2]);
type Apply = unsafe fn(&[f32], [&[f32]; 3], &mut [f32]);
type Slopes = unsafe fn([&[f32]; 2], [&[f32]; 4], &mut [f32], [&mut [f32]; 2]);
type InputGradient = unsafe fn(&[f32], [&[f32]; 4], &mut [f32]);
type Along = unsafe fn([&[f32]; 2], [&[f32]; 2], [&mut [f32]; 2]);
type Tangent = unsafe fn([&[f32]; 2], [&[f32]; 5], &mut [f32]);

/// The loops of one instruction set, which the machine has; pairs of them are without and with SiLU.
#[derive(Clone, Copy)]
pub(crate) struct NormLoops {
    pub(super) moments: Moments,
    pub(super) apply: [Apply; 2],
    pub(super) slopes: [Slopes; 2],
    pub(super) input_gradient: InputGradient,
    pub(super) along: Along,
    pub(super) tangent: [Tangent; 2],
}

// Whoever has a table runs on a machine that has its instructions, which is all that the loops ask for: they check their
// slices themselves.
impl NormLoops {
    /// Per channel, the mean of some pixels and the sum of squares around it.
    pub(crate) fn moments(&self, input: &[f32], moments: [&mut [f32]; 2]) {
        // SAFETY: the table is one of this machine.
        unsafe { (self.moments)(input, moments) }
    }

    /// activation((x − mean) · factor + term), by mean, factor and term of each channel.
    pub(crate) fn apply(&self, silu: bool, input: &[f32], affine: [&[f32]; 3], output: &mut [f32]) {
        // SAFETY: the table is one of this machine.
        unsafe { (self.apply[usize::from(silu)])(input, affine, output) }
    }

    /// From the input and the gradient of the output, the gradient dz of the activation's argument, and per channel the sums
    /// of dz and of dz times the normalised input; by mean, inverse deviation, factor and term.
    pub(crate) fn slopes(
        &self,
        silu: bool,
        data: [&[f32]; 2],
        affine: [&[f32]; 4],
        slopes: &mut [f32],
        sums: [&mut [f32]; 2],
    ) {
        // SAFETY: the table is one of this machine.
        unsafe { (self.slopes[usize::from(silu)])(data, affine, slopes, sums) }
    }

    /// Turns dz into the gradient of the input: dz · factor − constant − (x − mean) · slope, by mean, factor, constant and
    /// slope of each channel.
    pub(crate) fn input_gradient(&self, input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
        // SAFETY: the table is one of this machine.
        unsafe { (self.input_gradient)(input, affine, slopes) }
    }

    /// From the input and its tangent, per channel the sums of the tangent and of the tangent times the normalised input; by
    /// mean and inverse deviation.
    pub(crate) fn along(&self, data: [&[f32]; 2], affine: [&[f32]; 2], sums: [&mut [f32]; 2]) {
        // SAFETY: the table is one of this machine.
        unsafe { (self.along)(data, affine, sums) }
    }

    /// From the input and its tangent, the tangent of the activation's result: (tangent · factor + (x − mean) · slope +
    /// constant) · activation'(z) with z = (x − mean) · factor + term; by mean, factor, term, slope and constant.
    pub(crate) fn tangent(&self, silu: bool, data: [&[f32]; 2], affine: [&[f32]; 5], output: &mut [f32]) {
        // SAFETY: the table is one of this machine.
        unsafe { (self.tangent[usize::from(silu)])(data, affine, output) }
    }
}

/// Calls `body(first channel, valid channels of this vector)` for vectors that cover all channels.
#[inline(always)]
fn vectors<S: Simd>(channels: usize, mut body: impl FnMut(usize, usize)) {
    for first in (0..channels).step_by(S::LANES) {
        body(first, S::LANES.min(channels - first));
    }
}

/// A vector of which `valid` lanes exist.
#[inline(always)]
unsafe fn load<S: Simd>(values: *const f32, valid: usize) -> S::Vector {
    unsafe { if valid == S::LANES { S::load(values) } else { S::load_first(values, valid) } }
}

/// Writes the `valid` lanes of a vector.
#[inline(always)]
unsafe fn store<S: Simd>(target: *mut f32, vector: S::Vector, valid: usize) {
    unsafe {
        if valid == S::LANES { S::store(target, vector) } else { S::store_first(target, vector, valid) }
    }
}

/// Brings near what lies behind some pixels, one vector each time. The gradients below go down the channels of a run of pixels, in
/// strides; what a thread that has an image to itself reads next is the following run, from its beginning.
#[inline(always)]
unsafe fn bring_near<S: Simd>(values: &[f32], [first, pixels, pixel]: [usize; 3]) {
    let ahead = values.len() + (first / S::LANES * pixels + pixel) * S::LANES;
    // SAFETY: no more is done with the address.
    unsafe { S::prefetch(values.as_ptr().wrapping_add(ahead)) }
}

/// [`NormLoops::moments`] of one instruction set.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn moments<S: Simd>(input: &[f32], [mean, squares]: [&mut [f32]; 2]) {
    let channels = mean.len();
    assert!(squares.len() == channels && input.len().is_multiple_of(channels));
    let pixels = input.len() / channels;
    // SAFETY: `vectors` covers the channels and no more, every slice has that many or that many a pixel, as was checked, and
    // the caller runs on a machine that has the instructions.
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

/// [`NormLoops::apply`] of one instruction set.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn apply<S: Simd, const SILU: bool>(
    input: &[f32],
    affine: [&[f32]; 3],
    output: &mut [f32],
) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len() == output.len());
    assert!(input.len().is_multiple_of(channels));
    // SAFETY: `vectors` covers the channels and no more, every slice has that many or that many a pixel, as was checked, and
    // the caller runs on a machine that has the instructions.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, factor, term] = affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        for pixel in 0..input.len() / channels {
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let mut z = S::mul_add(centred, factor, term);
            if SILU {
                z = vector_silu::<S>(z);
            }
            store::<S>(output.as_mut_ptr().add(at), z, valid);
        }
    });
}

/// [`NormLoops::slopes`] of one instruction set.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn slopes<S: Simd, const SILU: bool>(
    [input, gradient]: [&[f32]; 2],
    affine: [&[f32]; 4],
    slopes: &mut [f32],
    [plain, weighted]: [&mut [f32]; 2],
) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len().is_multiple_of(channels));
    assert!([gradient.len(), slopes.len()] == [input.len(); 2]);
    assert!([plain.len(), weighted.len()] == [channels; 2]);
    // SAFETY: `vectors` covers the channels and no more, every slice has that many or that many a pixel, as was checked, and
    // the caller runs on a machine that has the instructions.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, inverse, factor, term] = affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        let mut sums = [S::splat(0.0); 2];
        let pixels = input.len() / channels;
        for pixel in 0..pixels {
            bring_near::<S>(input, [first, pixels, pixel]);
            bring_near::<S>(gradient, [first, pixels, pixel]);
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let mut dz = load::<S>(gradient.as_ptr().add(at), valid);
            if SILU {
                let z = S::mul_add(centred, factor, term);
                dz = S::mul(dz, vector_silu_slope::<S>(z));
            }
            sums[0] = S::add(sums[0], dz);
            sums[1] = S::mul_add(dz, S::mul(centred, inverse), sums[1]);
            store::<S>(slopes.as_mut_ptr().add(at), dz, valid);
        }
        store::<S>(plain.as_mut_ptr().add(first), sums[0], valid);
        store::<S>(weighted.as_mut_ptr().add(first), sums[1], valid);
    });
}

/// [`NormLoops::input_gradient`] of one instruction set.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn input_gradient<S: Simd>(input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len().is_multiple_of(channels));
    assert_eq!(slopes.len(), input.len());
    // SAFETY: `vectors` covers the channels and no more, every slice has that many or that many a pixel, as was checked, and
    // the caller runs on a machine that has the instructions.
    vectors::<S>(channels, |first, valid| unsafe {
        let [mean, factor, constant, slope] =
            affine.map(|values| load::<S>(values.as_ptr().add(first), valid));
        let pixels = input.len() / channels;
        for pixel in 0..pixels {
            bring_near::<S>(input, [first, pixels, pixel]);
            let at = pixel * channels + first;
            let centred = S::sub(load::<S>(input.as_ptr().add(at), valid), mean);
            let dz = load::<S>(slopes.as_ptr().add(at), valid);
            let rest = S::mul_add(centred, slope, constant);
            store::<S>(slopes.as_mut_ptr().add(at), S::sub(S::mul(dz, factor), rest), valid);
        }
    });
}

/// [`NormLoops::along`] of one instruction set.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn along<S: Simd>(
    [input, tangent]: [&[f32]; 2],
    affine: [&[f32]; 2],
    [plain, weighted]: [&mut [f32]; 2],
) {
    let channels = affine[0].len();
    assert!(affine[1].len() == channels && [plain.len(), weighted.len()] == [channels; 2]);
    assert!(input.len().is_multiple_of(channels) && tangent.len() == input.len());
    // SAFETY: `vectors` covers the channels and no more, every slice has that many or that many a pixel, as was checked, and
    // the caller runs on a machine that has the instructions.
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

/// [`NormLoops::tangent`] of one instruction set.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn tangent<S: Simd, const SILU: bool>(
    [input, tangent]: [&[f32]; 2],
    affine: [&[f32]; 5],
    output: &mut [f32],
) {
    let channels = affine[0].len();
    assert!(affine.iter().all(|values| values.len() == channels) && input.len().is_multiple_of(channels));
    assert!([tangent.len(), output.len()] == [input.len(); 2]);
    // SAFETY: `vectors` covers the channels and no more, every slice has that many or that many a pixel, as was checked, and
    // the caller runs on a machine that has the instructions.
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
                dz = S::mul(dz, vector_silu_slope::<S>(z));
            }
            store::<S>(output.as_mut_ptr().add(at), dz, valid);
        }
    });
}
