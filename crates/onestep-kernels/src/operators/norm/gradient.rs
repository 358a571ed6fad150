//! The gradients of a normalisation.
//!
//! With z the argument of the activation, n the normalised input and N the elements of a group:
//! dz = dy · activation'(z), and dx = inverse · (k dz − mean of k dz − n · mean of k dz n), where k = gain · (1 + scale) and the
//! means are over the group. Everything else follows from the sums of dz and dz n per image and channel.

#![allow(unsafe_code, reason = "tasks write disjoint runs of pixels of the outputs")]

use super::super::images::Images;
use super::affine::Affine;
use super::arguments::Norm;
use crate::blocking::{Shared, each, filled_each};
use crate::loops::{Activation, Kernels};

/// The gradients with respect to everything a normalisation was given.
pub(crate) struct NormGradients {
    pub input: Vec<f32>,
    pub gain: Vec<f32>,
    pub offset: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// For each channel of one image, the sums of dz and of dz n.
type Sums = Vec<[f64; 2]>;

impl Norm<&[f32]> {
    /// The gradients, from the gradient of the output.
    pub(crate) fn backward(&self, images: &Images, affine: &Affine, gradient: &[f32]) -> NormGradients {
        assert_eq!(gradient.len(), images.values.len());
        let (slopes, sums) = self.slopes(images, affine, gradient);
        let [gain, offset] = [0; 2].map(|_| vec![0.0; images.channels]);
        let [scale, shift] = [0; 2].map(|_| vec![0.0; images.batch * images.channels]);
        let mut result = NormGradients { input: Vec::new(), gain, offset, scale, shift };
        self.parameters(images, &sums, &mut result);
        let terms = self.gradient_terms(images, affine, &sums);
        result.input = input_gradient(images, affine, &terms, slopes);
        result
    }

    /// dz for every pixel, and its sums for each image.
    fn slopes(&self, images: &Images, affine: &Affine, gradient: &[f32]) -> (Vec<f32>, Vec<Sums>) {
        let (channels, tasks) = (images.channels, images.batch * images.runs());
        let silu = self.options.activation == Activation::Silu;
        let body = |index: usize, [slopes, sums]: [Shared; 2]| {
            let (image, range) = (index / images.runs(), images.elements(index));
            // SAFETY: runs do not overlap, and neither do their rows of sums; each is one task's.
            let (slopes, row) = unsafe {
                (slopes.slice(range.start, range.len()), sums.slice(index * 2 * channels, 2 * channels))
            };
            let affine = [&affine.mean, &affine.inverse, &affine.factor, &affine.term]
                .map(|values| &values[images.of_image(image)]);
            let data = [&images.values[range.clone()], &gradient[range]];
            Kernels::best().norm.slopes(silu, data, affine, slopes, row.split_at_mut(channels).into());
        };
        // SAFETY: the runs are all pixels of all images, and the loop writes the slopes and the sums of its run whole.
        let [slopes, sums] = unsafe { filled_each([images.values.len(), tasks * 2 * channels], tasks, body) };
        let of_image = |image: usize| {
            let mut totals = vec![[0.0f64; 2]; channels];
            for row in images.rows_of(image, &sums) {
                for (channel, total) in totals.iter_mut().enumerate() {
                    total[0] += f64::from(row[channel]);
                    total[1] += f64::from(row[channels + channel]);
                }
            }
            totals
        };
        (slopes, (0..images.batch).map(of_image).collect())
    }

    /// The gradients of gain and offset, scale and shift.
    fn parameters(&self, images: &Images, sums: &[Sums], result: &mut NormGradients) {
        let mut parameters = vec![[0.0f64; 2]; images.channels];
        for (image, sums) in sums.iter().enumerate() {
            for (channel, [plain, weighted]) in sums.iter().copied().enumerate() {
                let at = image * images.channels + channel;
                let scale = 1.0 + f64::from(self.scale_shift_at(at)[0]);
                let [gain, offset] = [self.gain[channel], self.offset[channel]].map(f64::from);
                result.shift[at] = plain as f32;
                result.scale[at] = (gain * weighted + offset * plain) as f32;
                parameters[channel][0] += scale * weighted;
                parameters[channel][1] += scale * plain;
            }
        }
        for (channel, [gain, offset]) in parameters.into_iter().enumerate() {
            result.gain[channel] = gain as f32;
            result.offset[channel] = offset as f32;
        }
    }

    /// What the gradient of the input is less than dz · factor, for each image and channel: constantly, and in proportion to
    /// the centred input.
    fn gradient_terms(&self, images: &Images, affine: &Affine, sums: &[Sums]) -> [Vec<f32>; 2] {
        let channels = images.channels;
        let [mut constant, mut slope] = [0; 2].map(|_| vec![0.0f32; images.batch * channels]);
        for (image, sums) in sums.iter().enumerate() {
            for members in self.groups() {
                let count = (images.pixels * members.len()) as f64;
                let mut means = [0.0f64; 2];
                for channel in members.clone() {
                    let scale = 1.0 + f64::from(self.scale_shift_at(image * channels + channel)[0]);
                    let k = f64::from(self.gain[channel]) * scale;
                    means[0] += k * sums[channel][0] / count;
                    means[1] += k * sums[channel][1] / count;
                }
                for channel in members {
                    let at = image * channels + channel;
                    let inverse = f64::from(affine.inverse[at]);
                    constant[at] = (inverse * means[0]) as f32;
                    slope[at] = (inverse * inverse * means[1]) as f32;
                }
            }
        }
        [constant, slope]
    }
}

/// Turns dz into the gradient of the input, in place.
fn input_gradient(
    images: &Images,
    affine: &Affine,
    [constant, slope]: &[Vec<f32>; 2],
    mut slopes: Vec<f32>,
) -> Vec<f32> {
    let shared = Shared::new(&mut slopes);
    each(images.batch * images.runs(), |index| {
        let (image, range) = (index / images.runs(), images.elements(index));
        let affine =
            [&affine.mean, &affine.factor, constant, slope].map(|values| &values[images.of_image(image)]);
        // SAFETY: runs do not overlap, each is one task's, and nobody else uses the buffer before all tasks have run.
        let slopes = unsafe { shared.slice(range.start, range.len()) };
        Kernels::best().norm.input_gradient(&images.values[range], affine, slopes);
    });
    slopes
}
