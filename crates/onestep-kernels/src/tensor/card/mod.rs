//! The extension for graphics cards: what burn would compose of a dozen kernels is one of ours, products are burn's, which its tuner
//! picks for each size.
//!
//! Numbers of other types than a card computes with go to the composed bodies.

#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "what the macro writes for each kernel, and their arguments"
)]

mod autodiff;
mod dropout;
mod finish;
mod launch;
mod norm;
mod precision;
mod resample;
#[cfg(test)]
mod tests;
mod update;
mod watch;

use burn::backend::{Cube, DType};
use burn_cubecl::tensor::CubeTensor;

use super::composed;
use super::extension::{KernelOps, Optional};
use super::storage::dims;
use crate::operators::{AdamCoefficients, Convolution, DropoutMask, LinearMap, Norm, NormActOptions};
use crate::simd::Precision;
use launch::{are_countable, is_countable};
pub(super) use precision::has_bf16;
pub(super) use watch::Watch;

/// Whether all of them are numbers in f32.
fn are_f32<'a>(tensors: impl IntoIterator<Item = &'a CubeTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype == DType::F32)
}

/// A convolution by products of a type of half the bits, or in the type of the tensors. What is stored is f32, or of the half type
/// where the convolution allows it.
fn convolved(mut convolution: Convolution<CubeTensor>, half: Option<DType>) -> CubeTensor {
    if !takes(&convolution) {
        return composed::convolution::<Cube>(convolution);
    }
    let (bias, residual) = (convolution.bias.take(), convolution.residual.take());
    let (factor, rectifier) = (convolution.factor, convolution.rectifier);
    // A layer of f32 between others that store halves, whose products cannot be of halves.
    let widens = half.is_none() && is_half(&convolution.input) && are_f32([&convolution.weight]);
    let stored = match half {
        Some(half) if convolution.store == Precision::Bf16 => half,
        Some(_) => DType::F32,
        None if widens && convolution.store == Precision::F32 => DType::F32,
        None => convolution.input.dtype,
    };
    // The type of the products.
    let product = half.unwrap_or(if widens { DType::F32 } else { convolution.input.dtype });
    let Convolution { input, norm, weight, options, .. } = convolution;
    let weight = composed::to_dtype::<Cube>(weight, product);
    let input = match norm {
        Some(norm) => normalised(input, norm, product),
        None => composed::to_dtype::<Cube>(input, product),
    };
    let output = composed::conv2d::<Cube>(input, weight, options);
    let output = if bias.is_none() && residual.is_none() && factor == 1.0 && output.dtype == stored {
        output
    } else {
        finish::forward(&output, bias.as_ref(), residual.as_ref(), factor, stored)
    };
    composed::rectify::<Cube>(output, rectifier)
}

/// Whether kernels of our own take what stands around the products of a convolution.
fn takes(convolution: &Convolution<CubeTensor>) -> bool {
    let ([batch, height, width, _], [.., outputs]) =
        (dims(&convolution.input), dims::<4>(&convolution.weight));
    let [top, bottom, left, right] = convolution.options.padding;
    // As many at most.
    let numbers = batch * (height + top + bottom) * (width + left + right) * outputs;
    are_countable(convolution.all()) && is_countable(numbers) && are_f32(&convolution.bias)
}

/// Whether a tensor is of a type of half the bits.
fn is_half(tensor: &CubeTensor) -> bool {
    matches!(tensor.dtype, DType::BF16 | DType::F16)
}

/// A normalised input, stored in a type.
fn normalised(input: CubeTensor, norm: Norm<CubeTensor>, stored: DType) -> CubeTensor {
    if !norm::takes(&input, &norm) {
        return composed::to_dtype::<Cube>(composed::norm_act::<Cube>(input, norm), stored);
    }
    let [output, _] = norm::forward(&input, &norm, stored);
    output
}

impl KernelOps for Cube {
    fn conv2d(
        input: CubeTensor,
        weight: CubeTensor,
        bias: Optional<Self>,
        residual: Optional<Self>,
        gain: Optional<Self>,
        offset: Optional<Self>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        rest: Convolution<()>,
    ) -> CubeTensor {
        let others = [bias, residual, gain, offset, scale, shift].map(Optional::into_option);
        let half = precision::half_for(rest.precision, &input.device, dims(&weight));
        convolved(Convolution::from_parts([input, weight], others, rest), half)
    }

    fn attention(qkv: CubeTensor, heads: usize, precision: Precision) -> CubeTensor {
        let half = precision::half(precision, &qkv.device);
        composed::attention_in::<Self>(qkv, heads, half)
    }

    fn norm_act(
        input: CubeTensor,
        gain: CubeTensor,
        offset: CubeTensor,
        scale: Optional<Self>,
        shift: Optional<Self>,
        options: NormActOptions,
    ) -> CubeTensor {
        let norm = Norm { gain, offset, scale_shift: scale.into_option().zip(shift.into_option()), options };
        let stored = input.dtype;
        normalised(input, norm, stored)
    }

    fn dropout(input: CubeTensor, mask: DropoutMask) -> CubeTensor {
        if !are_countable([&input]) {
            return composed::dropout::<Self>(input, &mask);
        }
        dropout::apply(&input, &mask)
    }

    fn resample(input: CubeTensor, rows: LinearMap, columns: LinearMap) -> CubeTensor {
        let [batch, _, _, channels] = dims(&input);
        let numbers = batch * rows.outputs() * columns.outputs() * channels;
        if !are_countable([&input]) || !is_countable(numbers) {
            return composed::resample::<Self>(input, &rows, &columns);
        }
        resample::resample(&input, &rows, &columns)
    }

    fn adam_update(
        parameter: CubeTensor,
        gradient: CubeTensor,
        first_moment: CubeTensor,
        second_moment: CubeTensor,
        coefficients: AdamCoefficients,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let tensors = [&parameter, &gradient, &first_moment, &second_moment];
        if !are_f32(tensors) || !are_countable(tensors) {
            return composed::adam_update::<Self>(
                parameter,
                gradient,
                first_moment,
                second_moment,
                coefficients,
            );
        }
        update::adam(tensors, coefficients).into()
    }

    fn ema_update(average: CubeTensor, source: CubeTensor, rate: f64) -> CubeTensor {
        let tensors = [&average, &source];
        if !are_f32(tensors) || !are_countable(tensors) {
            return composed::ema_update::<Self>(average, source, rate);
        }
        update::ema(&average, &source, rate)
    }

    fn square_sums(gradient: CubeTensor, sums: Optional<Self>, place: [usize; 2]) -> CubeTensor {
        // All of them by the kernel, which knows where each has its place.
        let gradient = composed::to_dtype::<Self>(gradient, DType::F32);
        update::square_sums(&gradient, sums.into_option(), place)
    }
}
