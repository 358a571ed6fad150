//! A normalisation applied to pixels while something else reads them.

#![allow(unsafe_code, reason = "the loops write what they are given whole")]

use std::borrow::Cow;

use super::super::images::{Images, Number, Stored, Values};
use super::affine::Affine;
use super::arguments::{Norm, NormActOptions};
use crate::loops::{Activation, Kernels};

/// A normalisation whose statistics are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prologue<'a> {
    affine: &'a Affine,
    activation: Activation,
    channels: usize,
}

impl<'a> Prologue<'a> {
    /// A normalisation of `channels` channels by its statistics.
    pub(crate) fn new(affine: &'a Affine, options: NormActOptions, channels: usize) -> Self {
        Self { affine, activation: options.activation, channels }
    }

    /// Whether the activation is SiLU.
    pub(crate) fn is_silu(&self) -> bool {
        self.activation == Activation::Silu
    }

    /// What maps x to the argument of the activation as x · factor + term: for each image the factors of its channels, then the
    /// terms, each padded with zeros to a multiple of `multiple`.
    pub(crate) fn factors_and_terms(&self, multiple: usize) -> Vec<f32> {
        let Affine { mean, factor, term, .. } = self.affine;
        let padded = self.channels.next_multiple_of(multiple);
        let mut all = vec![0.0; mean.len() / self.channels * 2 * padded];
        for (image, both) in all.chunks_exact_mut(2 * padded).enumerate() {
            let (factors, terms) = both.split_at_mut(padded);
            for (channel, at) in (image * self.channels..(image + 1) * self.channels).enumerate() {
                factors[channel] = factor[at];
                terms[channel] = term[at] - mean[at] * factor[at];
            }
        }
        all
    }

    /// Applies it to some pixels of an image.
    pub(crate) fn apply(&self, image: usize, input: &[f32], output: &mut [f32]) {
        let of_image = image * self.channels..(image + 1) * self.channels;
        let affine = [&self.affine.mean, &self.affine.factor, &self.affine.term]
            .map(|values| &values[of_image.clone()]);
        Kernels::best().norm.apply(self.activation == Activation::Silu, input, affine, output);
    }
}

/// The images that an operator reads, and what is done to their pixels on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub images: Images<'a>,
    /// What is done to a pixel before the operator sees it; a border of zeros around the image stays zero.
    pub prologue: Option<Prologue<'a>>,
}

impl<'a> Source<'a> {
    /// Images as they are.
    pub(crate) fn plain(images: Images<'a>) -> Self {
        Self { images, prologue: None }
    }

    /// Writes what the operator sees of some pixels of an image.
    pub(crate) fn read(&self, image: usize, pixels: &[f32], target: &mut [f32]) {
        match &self.prologue {
            Some(prologue) => prologue.apply(image, pixels, target),
            None => target.copy_from_slice(pixels),
        }
    }

    /// All that the operator sees.
    pub(crate) fn seen(&self) -> Cow<'a, [f32]> {
        let Some(prologue) = &self.prologue else { return Cow::Borrowed(self.images.values) };
        let values = self.images.values;
        // SAFETY: the loop writes every pixel that it reads.
        Cow::Owned(unsafe {
            self.images.per_pixel(|image, range, output| prologue.apply(image, &values[range], output))
        })
    }
}

impl Norm<&[f32]> {
    /// Images with this normalisation by statistics that are known.
    pub(crate) fn source<'a>(&self, images: Images<'a>, affine: &'a Affine) -> Source<'a> {
        Source { images, prologue: Some(Prologue::new(affine, self.options, images.channels)) }
    }

    /// Images `[batch, height, width, channels]` by their own statistics, stored as they are.
    pub(crate) fn normalised(&self, values: Values, shape: [usize; 4]) -> Stored {
        let affine = self.affine_of_values(values, shape);
        match values {
            Values::Full(values) => Stored::Full(self.forward(Images::new(values, shape), &affine)),
            Values::Half(values) => Stored::Half(self.forward(Images::new(values, shape), &affine)),
        }
    }

    /// The normalised images.
    pub(crate) fn forward<T: Number>(&self, images: Images<T>, affine: &Affine) -> Vec<T> {
        let prologue = Prologue::new(affine, self.options, images.channels);
        // SAFETY: the loop writes every pixel that it reads.
        unsafe {
            images.per_pixel(|image, range, output| {
                T::read(&images.values[range], |values| {
                    T::write(output, |target| prologue.apply(image, values, target));
                });
            })
        }
    }
}
