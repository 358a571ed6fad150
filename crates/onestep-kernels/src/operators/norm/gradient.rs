//! The gradients of a normalisation.
//!
//! With z the argument of the activation, n the normalised input and N the elements of a group:
//! dz = dy · activation'(z), and dx = inverse · (k dz − mean of k dz − n · mean of k dz n), where k = gain · (1 + scale) and the
//! means are over the group. Everything else follows from the sums of dz and dz n per image and channel.

#![allow(unsafe_code, reason = "tasks write disjoint runs of pixels of the outputs")]

use std::sync::OnceLock;

use super::super::images::Images;
use super::affine::Affine;
use super::arguments::Norm;
use crate::blocking::{Shared, each, filled, threads};
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
        let sums: Vec<OnceLock<Sums>> = (0..images.batch).map(|_| OnceLock::new()).collect();
        let of_image = |image: usize, output: Shared| {
            sums[image].get_or_init(|| self.of_image(images, affine, gradient, image, output));
        };
        // An image after the other on each thread, which finds in its cache what it has just read and written; where that would
        // leave threads without one for much of the time, the runs of each are shared out.
        let (length, batch) = (images.values.len(), images.batch);
        // SAFETY: the tasks are all images, and each image is written whole, once, before it is read.
        let input = unsafe {
            if batch < 2 * threads() && !batch.is_multiple_of(threads()) {
                filled(length, 1, |_, output| (0..batch).for_each(|image| of_image(image, output)))
            } else {
                filled(length, batch, of_image)
            }
        };
        let sums: Vec<Sums> = sums.into_iter().map(|sums| sums.into_inner().unwrap_or_default()).collect();
        let [gain, offset] = [0; 2].map(|_| vec![0.0; images.channels]);
        let [scale, shift] = [0; 2].map(|_| vec![0.0; images.batch * images.channels]);
        let mut result = NormGradients { input, gain, offset, scale, shift };
        self.parameters(images, &sums, &mut result);
        result
    }

    /// Writes the gradient of one image, and returns the sums for its channels.
    fn of_image<'a>(
        &self,
        images: &Images,
        affine: &'a Affine,
        gradient: &[f32],
        image: usize,
        output: Shared,
    ) -> Sums {
        let (channels, runs) = (images.channels, images.runs());
        let silu = self.options.activation == Activation::Silu;
        let loops = Kernels::best().norm;
        let of_image = |values: &'a Vec<f32>| &values[images.of_image(image)];
        let coefficients = [&affine.mean, &affine.inverse, &affine.factor, &affine.term].map(of_image);
        // First dz for every pixel, with its sums for each run.
        let body = |run: usize, sums: Shared| {
            let range = images.elements(image * runs + run);
            // SAFETY: runs do not overlap, and neither do their rows of sums; each is one task's.
            let (slopes, row) = unsafe {
                (output.slice(range.start, range.len()), sums.slice(run * 2 * channels, 2 * channels))
            };
            let data = [&images.values[range.clone()], &gradient[range]];
            loops.slopes(silu, data, coefficients, slopes, row.split_at_mut(channels).into());
        };
        // SAFETY: the tasks are all runs, and the loop writes the sums of its run whole.
        let rows = unsafe { filled(runs * 2 * channels, runs, body) };
        let mut sums = vec![[0.0f64; 2]; channels];
        for row in rows.chunks_exact((2 * channels).max(1)) {
            for (channel, sums) in sums.iter_mut().enumerate() {
                sums[0] += f64::from(row[channel]);
                sums[1] += f64::from(row[channels + channel]);
            }
        }
        // Then what makes it the gradient of the input, in place.
        let [constant, slope] = self.gradient_terms(images, affine, image, &sums);
        let coefficients = [of_image(&affine.mean), of_image(&affine.factor), &constant, &slope];
        each(runs, |run| {
            let range = images.elements(image * runs + run);
            // SAFETY: runs do not overlap, each is one task's, and all of them were written before.
            let slopes = unsafe { output.slice(range.start, range.len()) };
            loops.input_gradient(&images.values[range], coefficients, slopes);
        });
        sums
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

    /// What the gradient of the input is less than dz · factor, for each channel of an image: constantly, and in proportion to the
    /// centred input.
    fn gradient_terms(&self, images: &Images, affine: &Affine, image: usize, sums: &Sums) -> [Vec<f32>; 2] {
        let channels = images.channels;
        let [mut constant, mut slope] = [0; 2].map(|_| vec![0.0f32; channels]);
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
                let inverse = f64::from(affine.inverse[image * channels + channel]);
                constant[channel] = (inverse * means[0]) as f32;
                slope[channel] = (inverse * inverse * means[1]) as f32;
            }
        }
        [constant, slope]
    }
}
