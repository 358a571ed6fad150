//! The statistics of a normalisation and the affine map that they and its parameters are.

#![allow(unsafe_code, reason = "the loops write what they are given whole")]

use std::ops::Range;

use super::super::images::{Images, Number, Values};
use super::arguments::Norm;
use super::merged::Merged;
use super::moments::KnownMoments;
use crate::loops::Kernels;

/// For each image and channel, what maps an input to the argument of the activation.
#[derive(Debug)]
pub(crate) struct Affine {
    pub(super) mean: Vec<f32>,
    /// One over the standard deviation.
    pub(super) inverse: Vec<f32>,
    pub(super) factor: Vec<f32>,
    pub(super) term: Vec<f32>,
}

impl Norm<&[f32]> {
    /// Scale and shift of an image and channel, without which they change nothing.
    pub(super) fn scale_shift_at(&self, at: usize) -> [f32; 2] {
        self.scale_shift.map_or([0.0; 2], |(scale, shift)| [scale[at], shift[at]])
    }

    /// The channels of each group.
    pub(super) fn groups(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (groups, members) = (self.options.groups, self.gain.len() / self.options.groups);
        (0..groups).map(move |group| group * members..(group + 1) * members)
    }

    /// Takes the statistics of images.
    pub(crate) fn affine<T: Number>(&self, images: &Images<T>) -> Affine {
        let channels = images.channels;
        // For each run and channel, the mean and the sum of squares around it.
        // SAFETY: the loop writes the moments of every channel.
        let moments = unsafe {
            images.per_run(|_, range, moments| {
                T::read(&images.values[range], |values| Kernels::best().norm.moments(values, moments));
            })
        };
        self.affine_of([images.batch, channels], |image, members| {
            Merged::of(|| {
                images.rows_of(image, &moments).enumerate().map(|(run, row)| {
                    let pixels = images.run().min(images.pixels - run * images.run());
                    let (means, squares) = row.split_at(channels);
                    (pixels as f64, [&means[members.clone()], &squares[members.clone()]])
                })
            })
        })
    }

    /// Takes the statistics of images `[batch, height, width, channels]`.
    pub(crate) fn affine_of_values(&self, values: Values, shape: [usize; 4]) -> Affine {
        match values {
            Values::Full(values) => self.affine(&Images::new(values, shape)),
            Values::Half(values) => self.affine(&Images::new(values, shape)),
        }
    }

    /// The statistics of images whose moments are known.
    pub(crate) fn affine_by(&self, batch: usize, moments: &KnownMoments) -> Affine {
        self.affine_of([batch, self.gain.len()], |image, members| moments.of(image, members))
    }

    /// The affine map by the moments of groups of channels of an image.
    fn affine_of(
        &self,
        [batch, channels]: [usize; 2],
        moments: impl Fn(usize, Range<usize>) -> Merged,
    ) -> Affine {
        let [mean, inverse, factor, term] = [0; 4].map(|_| vec![0.0; batch * channels]);
        let mut affine = Affine { mean, inverse, factor, term };
        for image in 0..batch {
            for members in self.groups() {
                let total = moments(image, members.clone());
                let inverse = 1.0 / (total.squares / total.count.max(1.0) + self.options.epsilon).sqrt();
                for channel in members {
                    let at = image * channels + channel;
                    let [scale, shift] = self.scale_shift_at(at);
                    let scale = 1.0 + scale;
                    affine.mean[at] = total.mean as f32;
                    affine.inverse[at] = inverse as f32;
                    affine.factor[at] = inverse as f32 * self.gain[channel] * scale;
                    affine.term[at] = self.offset[channel] * scale + shift;
                }
            }
        }
        affine
    }
}
