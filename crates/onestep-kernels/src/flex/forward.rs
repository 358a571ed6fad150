//! The extension for Flex: f32 goes to the hand-written bodies, other types to the composed ones.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use super::attention;
use super::conv2d::{self, Geometry};
use super::linear;
use super::memory::{Contiguous, dims, is_f32, like, tensor};
use super::norm_act::Norm;
use super::product::Epilogue;
use super::resample;
use super::tile::Kernels;
use super::update;
use crate::conv2d::Conv2dOptions;
use crate::norm_act::NormActOptions;
use crate::profile::{self, Operation};
use crate::resample::LinearMap;
use crate::update::AdamCoefficients;
use crate::{KernelOps, Optional, composed};

impl KernelOps for Flex {
    fn conv2d(
        input: FlexTensor,
        weight: FlexTensor,
        bias: Optional<Self>,
        options: Conv2dOptions,
    ) -> FlexTensor {
        let bias = bias.into_option();
        if !is_f32([&input, &weight].into_iter().chain(&bias)) {
            return composed::conv2d::<Self>(input, weight, bias, options);
        }
        let geometry = Geometry::new(dims(&input), dims(&weight), options);
        let _timed = profile::start(|| Operation::conv2d("forward", &geometry));
        let [input, weight] = [&input, &weight].map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::as_slice);
        let output = conv2d::forward(
            &Kernels::best(),
            &geometry,
            input.as_slice(),
            weight.as_slice(),
            &Epilogue::bias(bias),
        );
        tensor(output, geometry.output_shape())
    }

    fn norm_act(
        input: FlexTensor,
        gain: FlexTensor,
        offset: FlexTensor,
        scale: Optional<Self>,
        shift: Optional<Self>,
        options: NormActOptions,
    ) -> FlexTensor {
        let (scale, shift) = (scale.into_option(), shift.into_option());
        if !is_f32([&input, &gain, &offset].into_iter().chain(&scale).chain(&shift)) {
            return composed::norm_act::<Self>(input, gain, offset, scale.zip(shift), options);
        }
        let _timed = profile::start(|| Operation::map("norm_act forward", &dims::<4>(&input)));
        let tensors = NormTensors { input, gain, offset, scale, shift, options };
        tensors.with(|norm| tensor(norm.forward(&norm.affine()), dims::<4>(&tensors.input)))
    }

    fn attention(query: FlexTensor, key: FlexTensor, value: FlexTensor) -> FlexTensor {
        if !is_f32([&query, &key, &value]) {
            return composed::attention::<Self>(query, key, value);
        }
        let (sizes, shape) = (attention_sizes(&query, &key), dims::<4>(&query));
        let _timed = profile::start(|| Operation::attention("forward", 2, &sizes));
        let [query, key, value] = [&query, &key, &value].map(Contiguous::new);
        let [query, key, value] = [&query, &key, &value].map(Contiguous::as_slice);
        tensor(attention::forward(&Kernels::best(), &sizes, query, key, value), shape)
    }

    fn linear(input: FlexTensor, weight: FlexTensor, bias: Optional<Self>) -> FlexTensor {
        let bias = bias.into_option();
        if !is_f32([&input, &weight].into_iter().chain(&bias)) {
            return composed::linear::<Self>(input, weight, bias);
        }
        let ([rows, inputs], [_, outputs]) = (dims(&input), dims::<2>(&weight));
        let _timed = profile::start(|| Operation::linear("forward", [rows, inputs, outputs]));
        let [input, weight] = [&input, &weight].map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::as_slice);
        let sizes = [rows, inputs, outputs];
        tensor(
            linear::forward(&Kernels::best(), sizes, input.as_slice(), weight.as_slice(), bias),
            [rows, outputs],
        )
    }

    fn silu(input: FlexTensor) -> FlexTensor {
        if !is_f32([&input]) {
            return composed::silu::<Self>(input);
        }
        let _timed = profile::start(|| Operation::map("silu forward", &input.shape()));
        like(update::silu(Contiguous::new(&input).as_slice()), &input)
    }

    fn resample(input: FlexTensor, rows: LinearMap, columns: LinearMap) -> FlexTensor {
        if !is_f32([&input]) {
            return composed::resample::<Self>(input, &rows, &columns);
        }
        let _timed = profile::start(|| Operation::map("resample", &dims::<4>(&input)));
        let [batch, _, _, channels] = dims(&input);
        let values = resample::resample(Contiguous::new(&input).as_slice(), channels, &rows, &columns);
        tensor(values, [batch, rows.outputs(), columns.outputs(), channels])
    }

    fn adam_update(
        parameter: FlexTensor,
        gradient: FlexTensor,
        first_moment: FlexTensor,
        second_moment: FlexTensor,
        coefficients: AdamCoefficients,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let tensors = [&parameter, &gradient, &first_moment, &second_moment];
        if !is_f32(tensors) {
            return composed::adam_update::<Self>(
                parameter,
                gradient,
                first_moment,
                second_moment,
                coefficients,
            );
        }
        let _timed = profile::start(|| Operation::map("adam_update", &dims::<1>(&parameter)));
        let slices = tensors.map(Contiguous::new);
        let results = update::adam(slices.each_ref().map(Contiguous::as_slice), coefficients);
        results.map(|values| like(values, &parameter)).into()
    }

    fn ema_update(average: FlexTensor, source: FlexTensor, rate: f64) -> FlexTensor {
        if !is_f32([&average, &source]) {
            return composed::ema_update::<Self>(average, source, rate);
        }
        let _timed = profile::start(|| Operation::map("ema_update", &dims::<1>(&average)));
        let [values, source] = [&average, &source].map(Contiguous::new);
        like(update::ema(values.as_slice(), source.as_slice(), rate), &average)
    }
}

pub(super) fn attention_sizes(query: &FlexTensor, key: &FlexTensor) -> attention::Sizes {
    let ([batch, heads, tokens, width], [_, _, key_tokens, _]) = (dims(query), dims::<4>(key));
    attention::Sizes { heads: batch * heads, tokens, key_tokens, width }
}

/// The arguments of a normalisation as tensors.
#[derive(Debug, Clone)]
pub(super) struct NormTensors {
    pub input: FlexTensor,
    pub gain: FlexTensor,
    pub offset: FlexTensor,
    pub scale: Option<FlexTensor>,
    pub shift: Option<FlexTensor>,
    pub options: NormActOptions,
}

impl NormTensors {
    /// Lends them as slices.
    pub(super) fn with<R>(&self, body: impl FnOnce(&Norm) -> R) -> R {
        let [batch, height, width, channels] = dims(&self.input);
        let [input, gain, offset] = [&self.input, &self.gain, &self.offset].map(Contiguous::new);
        let [scale, shift] = [&self.scale, &self.shift].map(|tensor| tensor.as_ref().map(Contiguous::new));
        body(&Norm {
            input: input.as_slice(),
            gain: gain.as_slice(),
            offset: offset.as_slice(),
            scale: scale.as_ref().map(Contiguous::as_slice),
            shift: shift.as_ref().map(Contiguous::as_slice),
            batch,
            pixels: height * width,
            channels,
            options: self.options,
        })
    }
}
