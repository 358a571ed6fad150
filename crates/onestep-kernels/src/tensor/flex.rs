//! The extension for Flex: f32 goes to the hand-written bodies, other types to the composed ones.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, FloatDType, TensorMetadata};

use super::composed;
use super::extension::{KernelOps, Optional};
use super::profile::{self, Operation};
use super::storage::{Contiguous, dims, half_tensor, is_f32, is_half, like, stored_tensor, tensor};
use crate::loops::Kernels;
use crate::operators::attention::{self, AttentionSizes};
use crate::operators::{
    AdamCoefficients, Convolution, Depthwise, DepthwiseOptions, DropoutMask, Layouts, LinearMap, Norm,
    NormActOptions, PoolOptions, concat, elementwise, linear, pool, resample, update,
};
use crate::simd::Precision;

impl KernelOps for Flex {
    fn conv2d(
        input: FlexTensor,
        weight: FlexTensor,
        bias: Optional<Self>,
        residual: Optional<Self>,
        gain: Optional<Self>,
        offset: Optional<Self>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        rest: Convolution<()>,
    ) -> FlexTensor {
        let others = [bias, residual, gain, offset, scale, shift].map(Optional::into_option);
        let convolution = Convolution::from_parts([input, weight], others, rest);
        let in_f32 = is_f32(convolution.all());
        if convolution.is_between_halves() || in_f32 && convolution.store == Precision::Bf16 {
            convolution.forward_in_halves()
        } else if in_f32 {
            convolution.forward().0
        } else {
            composed::convolution::<Self>(convolution)
        }
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
        let _timed = profile::start(|| Operation::depthwise(&depthwise));
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
        let halves = parts.iter().all(is_half);
        if !halves && !is_f32(&parts) {
            return composed::concat::<Self>(parts);
        }
        let channels: Vec<usize> = parts.iter().map(|part| dims::<4>(part)[3]).collect();
        let [batch, height, width, _] = dims(&parts[0]);
        let shape = [batch, height, width, channels.iter().sum()];
        let _timed = profile::start(|| Operation::map("concat", &shape));
        let parts: Vec<Contiguous> = parts.iter().map(Contiguous::new).collect();
        if halves {
            let parts: Vec<(&[u16], usize)> =
                parts.iter().zip(channels).map(|(part, channels)| (part.bits(), channels)).collect();
            return half_tensor(concat::concat(&parts, batch * height * width), shape);
        }
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
        let scale_shift = scale.into_option().zip(shift.into_option());
        let norm = Norm { gain, offset, scale_shift, options };
        if !is_f32(norm.all()) || !(is_f32([&input]) || is_half(&input)) {
            return composed::norm_act::<Self>(input, norm);
        }
        let _timed = profile::start(|| Operation::map("norm_act forward", &input.shape()));
        let (norm, values, shape) = (norm.map(Contiguous::new), Contiguous::new(&input), dims::<4>(&input));
        stored_tensor(norm.map(Contiguous::as_slice).normalised(values.values(), shape), shape)
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
        let scale_shift = scale.into_option().zip(shift.into_option());
        let tangents = scale_tangent.into_option().zip(shift_tangent.into_option());
        let norm = Norm { gain, offset, scale_shift, options };
        let others = tangents.iter().flat_map(|(scale, shift)| [scale, shift]);
        if !is_f32(norm.all().chain([&input, &tangent]).chain(others)) {
            return composed::norm_act_tangent::<Self>([input, tangent], norm, tangents);
        }
        let _timed = profile::start(|| Operation::map("norm_act tangent", &input.shape()));
        let along = Contiguous::new(&tangent);
        let tangents = tangents.as_ref().map(|(scale, shift)| [scale, shift].map(Contiguous::new));
        let tangents = tangents.as_ref().map(|both| both.each_ref().map(Contiguous::as_slice));
        norm.with(&input, |norm, images| {
            let affine = norm.affine(&images);
            tensor(norm.tangent(&images, &affine, along.as_slice(), tangents), dims::<4>(&input))
        })
    }

    fn attention(qkv: FlexTensor, heads: usize, precision: Precision) -> FlexTensor {
        let kernels = Kernels::best();
        // Without tiles nothing reads bf16 faster.
        let own = is_f32([&qkv]) || is_half(&qkv) && kernels.tiles.is_some();
        if !own {
            return composed::attention::<Self>(qkv, heads);
        }
        let sizes = AttentionSizes::new(dims(&qkv), heads);
        let _timed = profile::start(|| Operation::attention("forward", 2, &sizes));
        let values = Contiguous::new(&qkv);
        let output = attention::forward(&kernels, &sizes, values.values(), precision);
        stored_tensor(output, [sizes.batch, sizes.tokens, heads * sizes.width])
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
        let (input, weight) = (input.as_slice(), weight.as_slice());
        let output = linear::forward(&Kernels::best(), sizes, input, weight, layouts.as_ref(), bias);
        tensor(output, [rows, outputs])
    }

    fn silu(input: FlexTensor) -> FlexTensor {
        if !is_f32([&input]) {
            return composed::silu::<Self>(input);
        }
        let _timed = profile::start(|| Operation::map("silu forward", &input.shape()));
        like(elementwise::silu(Contiguous::new(&input).as_slice()), &input)
    }

    fn dropout(input: FlexTensor, mask: DropoutMask) -> FlexTensor {
        if is_half(&input) {
            let full = Flex::float_cast(input, FloatDType::F32);
            return Flex::float_cast(Self::dropout(full, mask), FloatDType::BF16);
        }
        if !is_f32([&input]) {
            return composed::dropout::<Self>(input, &mask);
        }
        let _timed = profile::start(|| Operation::map("dropout forward", &input.shape()));
        like(mask.apply(Contiguous::new(&input).as_slice()), &input)
    }

    fn resample(input: FlexTensor, rows: LinearMap, columns: LinearMap) -> FlexTensor {
        if !is_f32([&input]) && !is_half(&input) {
            return composed::resample::<Self>(input, &rows, &columns);
        }
        let _timed = profile::start(|| Operation::map("resample", &dims::<4>(&input)));
        let [batch, _, _, channels] = dims(&input);
        if is_half(&input) {
            let bits = resample::resample_half(Contiguous::new(&input).bits(), channels, &rows, &columns);
            return half_tensor(bits, [batch, rows.outputs(), columns.outputs(), channels]);
        }
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
