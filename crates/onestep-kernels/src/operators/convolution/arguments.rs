//! What a convolution is told.

use super::super::geometry::Conv2dOptions;
use super::super::layouts::Layouts;
use super::super::norm::{Moments, Norm};
use crate::loops::Rectifier;
use crate::simd::Precision;

/// A convolution with what stands before and after it in a residual block, computed in one go, in whatever holds its numbers:
/// tensors, slices, or nothing yet.
#[derive(Debug, Clone)]
pub struct Convolution<Images, Channels = Images, Samples = Images> {
    /// The images.
    pub input: Images,
    /// Group norm and activation in front.
    pub norm: Option<Norm<Channels, Samples>>,
    /// The kernel.
    pub weight: Images,
    /// Added to each pixel.
    pub bias: Option<Samples>,
    /// Added to the output.
    pub residual: Option<Images>,
    /// Multiplies everything.
    pub factor: f64,
    /// Cuts the result off.
    pub rectifier: Rectifier,
    /// Stride and padding.
    pub options: Conv2dOptions,
    /// Arithmetic of the products.
    pub precision: Precision,
    /// Where layouts of this weight are kept between calls.
    pub layouts: Option<Layouts>,
    /// Moments of the input, for the norm in front.
    pub input_moments: Option<Moments>,
    /// Where the moments of the output are left.
    pub output_moments: Option<Moments>,
    /// The type that the result is stored in; bf16 is a permission, which is used where it is faster and no gradient is asked for.
    pub store: Precision,
}

/// The numbers that a convolution may do without: bias, residual, gain, offset, scale and shift.
pub(crate) type Others<T> = [Option<T>; 6];

impl<I, C, S> Convolution<I, C, S> {
    /// A convolution alone.
    pub const fn new(input: I, weight: I, options: Conv2dOptions) -> Self {
        Self {
            input,
            norm: None,
            weight,
            bias: None,
            residual: None,
            factor: 1.0,
            rectifier: Rectifier::None,
            options,
            precision: Precision::F32,
            layouts: None,
            input_moments: None,
            output_moments: None,
            store: Precision::F32,
        }
    }

    /// The same with one type for all of its numbers.
    pub(crate) fn unified<T>(
        self,
        of_images: impl Fn(I) -> T,
        of_channels: impl Fn(C) -> T,
        of_samples: impl Fn(S) -> T,
    ) -> Convolution<T> {
        let Self {
            input, norm, weight, bias, residual, factor, rectifier, options, precision, layouts, ..
        } = self;
        Convolution {
            input: of_images(input),
            norm: norm.map(|norm| norm.unified(of_channels, &of_samples)),
            weight: of_images(weight),
            bias: bias.map(of_samples),
            residual: residual.map(of_images),
            factor,
            rectifier,
            options,
            precision,
            layouts,
            input_moments: self.input_moments,
            output_moments: self.output_moments,
            store: self.store,
        }
    }
}

impl<T> Convolution<T> {
    /// Its numbers: input and weight, the others, and what is left without them.
    pub(crate) fn into_parts(self) -> ([T; 2], Others<T>, Convolution<()>) {
        let rest = self.map(|_| ());
        let Self { input, norm, weight, bias, residual, .. } = self;
        let (parameters, scale_shift) = norm.map(|norm| ((norm.gain, norm.offset), norm.scale_shift)).unzip();
        let ((gain, offset), (scale, shift)) = (parameters.unzip(), scale_shift.flatten().unzip());
        ([input, weight], [bias, residual, gain, offset, scale, shift], rest)
    }

    /// What [`Self::into_parts`] took apart, with other numbers in the places of the old ones.
    pub(crate) fn from_parts([input, weight]: [T; 2], others: Others<T>, rest: Convolution<()>) -> Self {
        let [bias, residual, gain, offset, scale, shift] = others;
        let Convolution { norm, factor, rectifier, options, precision, layouts, .. } = rest;
        let Convolution { input_moments, output_moments, store, .. } = rest;
        let norm = gain.zip(offset).zip(norm).map(|((gain, offset), norm)| Norm {
            gain,
            offset,
            scale_shift: scale.zip(shift),
            options: norm.options,
        });
        Self {
            input,
            norm,
            weight,
            bias,
            residual,
            factor,
            rectifier,
            options,
            precision,
            layouts,
            input_moments,
            output_moments,
            store,
        }
    }

    /// All of its numbers.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        let norm = self.norm.iter().flat_map(Norm::all);
        [&self.input, &self.weight].into_iter().chain(&self.bias).chain(&self.residual).chain(norm)
    }

    /// The same of what `body` makes of each.
    pub(crate) fn map<'a, R>(&'a self, body: impl Fn(&'a T) -> R) -> Convolution<R> {
        Convolution {
            input: body(&self.input),
            norm: self.norm.as_ref().map(|norm| norm.map(&body)),
            weight: body(&self.weight),
            bias: self.bias.as_ref().map(&body),
            residual: self.residual.as_ref().map(&body),
            factor: self.factor,
            rectifier: self.rectifier,
            options: self.options,
            precision: self.precision,
            layouts: self.layouts.clone(),
            input_moments: self.input_moments.clone(),
            output_moments: self.output_moments.clone(),
            store: self.store,
        }
    }
}
