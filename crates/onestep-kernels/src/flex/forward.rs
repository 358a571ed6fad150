//! The extension for Flex: f32 goes to the hand-written bodies, other types to the composed ones.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use super::attention;
use super::concat;
use super::convolution::{Convolution, layouts_for_rows};
use super::depthwise::Depthwise;
use super::kernels::Kernels;
use super::layouts::Layouts;
use super::linear;
use super::memory::{Contiguous, dims, is_f32, like, tensor};
use super::norm_act::Norm;
use super::pool;
use super::resample;
use super::update;
use crate::conv2d::ConvolutionOptions;
use crate::depthwise::DepthwiseOptions;
use crate::norm_act::NormActOptions;
use crate::pool::PoolOptions;
use crate::profile::{self, Operation};
use crate::resample::LinearMap;
use crate::update::AdamCoefficients;
use crate::{KernelOps, Optional, composed};

impl KernelOps for Flex {
    fn conv2d(
        input: FlexTensor,
        gain: Optional<Self>,
        offset: Optional<Self>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        weight: FlexTensor,
        bias: Optional<Self>,
        residual: Optional<Self>,
        options: ConvolutionOptions,
    ) -> FlexTensor {
        let [gain, offset, scale, shift] = [gain, offset, scale, shift].map(Optional::into_option);
        let norm = gain.zip(offset).zip(options.norm);
        let norm = norm.map(|((gain, offset), options)| NormTensors { gain, offset, scale, shift, options });
        let (bias, residual) = (bias.into_option(), residual.into_option());
        let convolution = Convolution { input, norm, weight, bias, residual, options };
        if convolution.is_f32() { convolution.forward().0 } else { composed_conv2d(convolution) }
    }

    fn depthwise_conv2d(
        input: FlexTensor,
        weight: FlexTensor,
        bias: Optional<Self>,
        options: DepthwiseOptions,
    ) -> FlexTensor {
        let bias = bias.into_option();
        if !is_f32([&input, &weight].into_iter().chain(&bias)) {
            return composed::depthwise_conv2d::<Self>(input, weight, bias, options);
        }
        let depthwise = Depthwise::new(dims(&input), dims(&weight), options);
        let _timed = profile::start(|| depthwise.operation());
        let [input, weight] = [&input, &weight].map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::as_slice);
        tensor(depthwise.forward(input.as_slice(), weight.as_slice(), bias), depthwise.output_shape())
    }

    fn concat(
        first: FlexTensor,
        second: FlexTensor,
        third: Optional<Self>,
        fourth: Optional<Self>,
        fifth: Optional<Self>,
        sixth: Optional<Self>,
    ) -> FlexTensor {
        let others = [third, fourth, fifth, sixth].into_iter().filter_map(Optional::into_option);
        let parts: Vec<FlexTensor> = [first, second].into_iter().chain(others).collect();
        if !is_f32(&parts) {
            return composed::concat::<Self>(parts);
        }
        let channels: Vec<usize> = parts.iter().map(|part| dims::<4>(part)[3]).collect();
        let [batch, height, width, _] = dims(&parts[0]);
        let shape = [batch, height, width, channels.iter().sum()];
        let _timed = profile::start(|| Operation::map("concat", &shape));
        let parts: Vec<Contiguous> = parts.iter().map(Contiguous::new).collect();
        let parts: Vec<(&[f32], usize)> =
            parts.iter().zip(channels).map(|(part, channels)| (part.as_slice(), channels)).collect();
        tensor(concat::concat(&parts, batch * height * width), shape)
    }

    fn pool2d(input: FlexTensor, options: PoolOptions) -> FlexTensor {
        if !is_f32([&input]) {
            return composed::pool2d::<Self>(input, options);
        }
        let shape = dims::<4>(&input);
        let _timed = profile::start(|| Operation::map("pool2d", &shape));
        tensor(pool::pool2d(Contiguous::new(&input).as_slice(), shape, options), options.output_shape(shape))
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
        let tensors = NormTensors { gain, offset, scale, shift, options };
        let _timed = profile::start(|| Operation::map("norm_act forward", &input.shape()));
        tensors.with(&input, |norm| tensor(norm.forward(&norm.affine()), dims::<4>(&input)))
    }

    fn norm_act_tangent(
        input: FlexTensor,
        tangent: FlexTensor,
        gain: FlexTensor,
        offset: FlexTensor,
        scale: Optional<Self>,
        shift: Optional<Self>,
        scale_tangent: Optional<Self>,
        shift_tangent: Optional<Self>,
        options: NormActOptions,
    ) -> FlexTensor {
        let [scale, shift, scale_tangent, shift_tangent] =
            [scale, shift, scale_tangent, shift_tangent].map(Optional::into_option);
        let given = [&input, &tangent, &gain, &offset].into_iter();
        let others = [&scale, &shift, &scale_tangent, &shift_tangent].into_iter().flatten();
        if !is_f32(given.chain(others)) {
            let tangents = scale_tangent.zip(shift_tangent);
            let both = [input, tangent];
            return composed::norm_act_tangent::<Self>(
                both,
                [gain, offset],
                scale.zip(shift),
                tangents,
                options,
            );
        }
        let _timed = profile::start(|| Operation::map("norm_act tangent", &input.shape()));
        let along = Contiguous::new(&tangent);
        let tangents = scale_tangent.zip(shift_tangent);
        let tangents = tangents.as_ref().map(|(scale, shift)| [scale, shift].map(Contiguous::new));
        let tangents = tangents.as_ref().map(|both| both.each_ref().map(Contiguous::as_slice));
        let tensors = NormTensors { gain, offset, scale, shift, options };
        tensors.with(&input, |norm| {
            tensor(norm.tangent(&norm.affine(), along.as_slice(), tangents), dims::<4>(&input))
        })
    }

    fn attention(qkv: FlexTensor, heads: usize) -> FlexTensor {
        if !is_f32([&qkv]) {
            return composed::attention::<Self>(qkv, heads);
        }
        let sizes = attention::Sizes::new(dims(&qkv), heads);
        let _timed = profile::start(|| Operation::attention("forward", 2, &sizes));
        let output = attention::forward(&Kernels::best(), &sizes, Contiguous::new(&qkv).as_slice());
        tensor(output, [sizes.batch, sizes.tokens, heads * sizes.width])
    }

    fn linear(
        input: FlexTensor,
        weight: FlexTensor,
        bias: Optional<Self>,
        layouts: Option<Layouts>,
    ) -> FlexTensor {
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
        let (input, weight, layouts) =
            (input.as_slice(), weight.as_slice(), layouts_for_rows(&layouts, rows));
        tensor(linear::forward(&Kernels::best(), sizes, input, weight, layouts, bias), [rows, outputs])
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

/// The composed body, for other types than f32.
fn composed_conv2d(convolution: Convolution) -> FlexTensor {
    let Convolution { input, norm, weight, bias, residual, options } = convolution;
    let norm = norm.map(|norm| composed::Norm {
        gain: norm.gain,
        offset: norm.offset,
        scale_shift: norm.scale.zip(norm.shift),
        options: norm.options,
    });
    composed::convolution::<Flex>(input, norm, weight, bias, residual, &options)
}

/// The arguments of a normalisation as tensors, but for the input.
#[derive(Debug, Clone)]
pub(super) struct NormTensors {
    pub gain: FlexTensor,
    pub offset: FlexTensor,
    pub scale: Option<FlexTensor>,
    pub shift: Option<FlexTensor>,
    pub options: NormActOptions,
}

impl NormTensors {
    pub(super) fn tensors(&self) -> impl Iterator<Item = &FlexTensor> {
        [&self.gain, &self.offset].into_iter().chain(&self.scale).chain(&self.shift)
    }

    /// Lends them as slices, with the input.
    pub(super) fn with<R>(&self, input: &FlexTensor, body: impl FnOnce(&Norm) -> R) -> R {
        let [batch, height, width, channels] = dims(input);
        let [input, gain, offset] = [input, &self.gain, &self.offset].map(Contiguous::new);
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
