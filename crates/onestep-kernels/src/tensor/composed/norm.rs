//! Group normalisation and its tangent.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorMetadata};

use super::dtype::{in_full, to_dtype};
use super::layers::silu;
use crate::loops::Activation;
use crate::operators::{Norm, NormActOptions};

/// The shapes that a normalisation gives to its tensors.
struct Shapes {
    /// `[batch, height, width, channels]`
    input: Shape,
    /// `[batch, pixels, groups, channels of a group]`
    grouped: Shape,
    /// `[1, 1, 1, channels]`
    channels: Shape,
    /// `[batch, 1, 1, channels]`
    samples: Shape,
    /// Numbers of a group of one image.
    per_group: usize,
}

impl Shapes {
    fn new(input: Shape, groups: usize) -> Self {
        let [batch, height, width, channels] = [0, 1, 2, 3].map(|axis| input[axis]);
        Self {
            input,
            grouped: Shape::from([batch, height * width, groups, channels / groups]),
            channels: Shape::from([1, 1, 1, channels]),
            samples: Shape::from([batch, 1, 1, channels]),
            per_group: height * width * channels / groups,
        }
    }

    /// A tensor in full precision and another shape.
    fn full<B: Backend>(tensor: FloatTensor<B>, shape: &Shape) -> FloatTensor<B> {
        B::float_reshape(in_full::<B>(tensor), shape.clone())
    }

    /// The mean of each group.
    fn mean<B: Backend>(&self, tensor: FloatTensor<B>) -> FloatTensor<B> {
        let sum = B::float_sum_dim(B::float_sum_dim(tensor, 3), 1);
        B::float_div_scalar(sum, self.per_group.into())
    }

    /// The input normalised and the deviation of each group, both grouped.
    fn normalised<B: Backend>(&self, input: FloatTensor<B>, options: NormActOptions) -> [FloatTensor<B>; 2] {
        let input = Self::full::<B>(input, &self.grouped);
        // Twice: the first mean of numbers far from zero is as inexact as they are large, the second one is that of its error.
        let nearly = B::float_sub(input.clone(), self.mean::<B>(input));
        let centred = B::float_sub(nearly.clone(), self.mean::<B>(nearly));
        let variance = self.mean::<B>(B::float_mul(centred.clone(), centred.clone()));
        let deviation = B::float_sqrt(B::float_add_scalar(variance, options.epsilon.into()));
        [B::float_div(centred, deviation.clone()), deviation]
    }
}

pub(crate) fn norm_act<B: Backend>(input: FloatTensor<B>, norm: Norm<FloatTensor<B>>) -> FloatTensor<B> {
    let (dtype, options) = (input.dtype(), norm.options);
    let shapes = Shapes::new(input.shape(), options.groups);
    let [normalised, _] = shapes.normalised::<B>(input, options);
    let normalised = B::float_reshape(normalised, shapes.input.clone());
    let [gain, offset] = [norm.gain, norm.offset].map(|tensor| Shapes::full::<B>(tensor, &shapes.channels));
    let mut output = B::float_add(B::float_mul(normalised, gain), offset);
    if let Some((scale, shift)) = norm.scale_shift {
        let [scale, shift] = [scale, shift].map(|tensor| Shapes::full::<B>(tensor, &shapes.samples));
        let factor = B::float_add_scalar(scale, 1.0f64.into());
        output = B::float_add(B::float_mul(output, factor), shift);
    }
    if options.activation == Activation::Silu {
        output = silu::<B>(output);
    }
    to_dtype::<B>(output, dtype)
}

/// The tangent of [`norm_act`]: with n the normalised input, n' = (x' − mean x' − n · mean of n x') / deviation.
pub(crate) fn norm_act_tangent<B: Backend>(
    [input, tangent]: [FloatTensor<B>; 2],
    norm: Norm<FloatTensor<B>>,
    tangents: Option<(FloatTensor<B>, FloatTensor<B>)>,
) -> FloatTensor<B> {
    let (dtype, options) = (input.dtype(), norm.options);
    let shapes = Shapes::new(input.shape(), options.groups);
    let samplewise = |tensor| Shapes::full::<B>(tensor, &shapes.samples);
    let [normalised, deviation] = shapes.normalised::<B>(input, options);
    let tangent = Shapes::full::<B>(tangent, &shapes.grouped);
    let along = shapes.mean::<B>(B::float_mul(normalised.clone(), tangent.clone()));
    let slope = B::float_sub(tangent.clone(), shapes.mean::<B>(tangent));
    let slope = B::float_sub(slope, B::float_mul(normalised.clone(), along));
    let slope = B::float_reshape(B::float_div(slope, deviation), shapes.input.clone());

    let [gain, offset] = [norm.gain, norm.offset].map(|tensor| Shapes::full::<B>(tensor, &shapes.channels));
    let mut slope = B::float_mul(slope, gain.clone());
    let mut z = B::float_mul(B::float_reshape(normalised, shapes.input.clone()), gain);
    z = B::float_add(z, offset);
    if let Some((scale, shift)) = norm.scale_shift {
        let factor = B::float_add_scalar(samplewise(scale), 1.0f64.into());
        slope = B::float_mul(slope, factor.clone());
        if let Some((scale, shift)) = tangents {
            slope = B::float_add(slope, B::float_mul(z.clone(), samplewise(scale)));
            slope = B::float_add(slope, samplewise(shift));
        }
        z = B::float_add(B::float_mul(z, factor), samplewise(shift));
    }
    if options.activation == Activation::Silu {
        // s + z s (1 − s)
        let s = B::sigmoid(z.clone());
        let rest = B::float_add_scalar(B::float_neg(s.clone()), 1.0f64.into());
        let of_silu = B::float_add(s.clone(), B::float_mul(B::float_mul(z, s), rest));
        slope = B::float_mul(slope, of_silu);
    }
    to_dtype::<B>(slope, dtype)
}
