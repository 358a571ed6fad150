//! The tangent of a normalisation.

#![allow(unsafe_code, reason = "the loops write what they are given whole")]

use super::super::images::Images;
use super::affine::Affine;
use super::arguments::Norm;
use crate::loops::{Activation, Kernels};

impl Norm<&[f32]> {
    /// The tangent of the output, from the tangents of the input and of scale and shift.
    ///
    /// With n the normalised input and means over the group: n' = inverse · (x' − mean of x' − n · mean of n x'), and the
    /// argument of the activation moves by n' · gain · (1 + scale) + (n · gain + offset) · scale' + shift'.
    pub(crate) fn tangent(
        &self,
        images: &Images,
        affine: &Affine,
        tangent: &[f32],
        scale_shift_tangent: Option<[&[f32]; 2]>,
    ) -> Vec<f32> {
        assert_eq!(tangent.len(), images.values.len());
        // SAFETY: the loop writes both sums of every channel.
        let sums = unsafe {
            images.per_run(|image, range, sums| {
                let affine = [&affine.mean, &affine.inverse].map(|values| &values[images.of_image(image)]);
                let data = [&images.values[range.clone()], &tangent[range]];
                Kernels::best().norm.along(data, affine, sums);
            })
        };
        let [slope, constant] = self.tangent_terms(images, affine, &sums, scale_shift_tangent);
        let silu = self.options.activation == Activation::Silu;
        // SAFETY: the loop writes every pixel that it reads.
        unsafe {
            images.per_pixel(|image, range, output| {
                let affine = [&affine.mean, &affine.factor, &affine.term, &slope, &constant]
                    .map(|values| &values[images.of_image(image)]);
                let data = [&images.values[range.clone()], &tangent[range]];
                Kernels::best().norm.tangent(silu, data, affine, output);
            })
        }
    }

    /// What moves the argument of the activation besides the tangent itself, for each image and channel: in proportion to the
    /// centred input, and constantly. From the sums of the tangent and of the tangent times the normalised input.
    fn tangent_terms(
        &self,
        images: &Images,
        affine: &Affine,
        sums: &[f32],
        scale_shift_tangent: Option<[&[f32]; 2]>,
    ) -> [Vec<f32>; 2] {
        let channels = images.channels;
        let [mut slope, mut constant] = [0; 2].map(|_| vec![0.0f32; images.batch * channels]);
        for image in 0..images.batch {
            for members in self.groups() {
                let count = (images.pixels * members.len()).max(1) as f64;
                let mut means = [0.0f64; 2];
                for row in images.rows_of(image, sums) {
                    for channel in members.clone() {
                        means[0] += f64::from(row[channel]) / count;
                        means[1] += f64::from(row[channels + channel]) / count;
                    }
                }
                for channel in members {
                    let at = image * channels + channel;
                    let [inverse, factor] = [affine.inverse[at], affine.factor[at]].map(f64::from);
                    let [scale, shift] =
                        scale_shift_tangent.map_or([0.0; 2], |both| both.map(|values| f64::from(values[at])));
                    let [gain, offset] = [self.gain[channel], self.offset[channel]].map(f64::from);
                    slope[at] = (inverse * (gain * scale - factor * means[1])) as f32;
                    constant[at] = (offset * scale + shift - factor * means[0]) as f32;
                }
            }
        }
        [slope, constant]
    }
}
