//! The operators composed of burn's own operations: correct on any backend and in any float type, and differentiable where
//! the backend is.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DType, FloatDType, Shape, TensorData, TensorMetadata};
use burn::tensor::Slice;
use burn::tensor::ops::ConvOptions;

use crate::activation::{Activation, Rectifier};
use crate::conv2d::{Conv2dOptions, ConvolutionOptions};
use crate::depthwise::DepthwiseOptions;
use crate::norm_act::NormActOptions;
use crate::pool::{Pool, PoolOptions};
use crate::resample::LinearMap;
use crate::update::AdamCoefficients;

/// The normalisation in front of a convolution.
pub(crate) struct Norm<B: Backend> {
    pub gain: FloatTensor<B>,
    pub offset: FloatTensor<B>,
    pub scale_shift: Option<(FloatTensor<B>, FloatTensor<B>)>,
    pub options: NormActOptions,
}

pub(crate) fn convolution<B: Backend>(
    input: FloatTensor<B>,
    norm: Option<Norm<B>>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    residual: Option<FloatTensor<B>>,
    options: &ConvolutionOptions,
) -> FloatTensor<B> {
    let input = match norm {
        Some(Norm { gain, offset, scale_shift, options }) => {
            norm_act::<B>(input, gain, offset, scale_shift, options)
        }
        None => input,
    };
    let mut output = conv2d::<B>(input, weight, options.conv);
    if let Some(bias) = bias {
        let [rows, outputs] = [bias.shape()[0], bias.shape()[1]];
        output = B::float_add(output, B::float_reshape(bias, Shape::from([rows, 1, 1, outputs])));
    }
    if let Some(residual) = residual {
        output = B::float_add(output, residual);
    }
    if options.factor != 1.0 {
        output = B::float_mul_scalar(output, options.factor.into());
    }
    rectify::<B>(output, options.rectifier)
}

pub(crate) fn rectify<B: Backend>(input: FloatTensor<B>, rectifier: Rectifier) -> FloatTensor<B> {
    match rectifier {
        Rectifier::None => input,
        Rectifier::Relu => B::float_clamp_min(input, 0.0f64.into()),
        Rectifier::Relu6 => B::float_clamp(input, 0.0f64.into(), 6.0f64.into()),
    }
}

pub(crate) fn depthwise_conv2d<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    options: DepthwiseOptions,
) -> FloatTensor<B> {
    let [kernel_h, kernel_w, channels] = [0, 1, 2].map(|axis| weight.shape()[axis]);
    let [top, bottom, left, right] = options.conv.padding;
    let input = B::float_permute(input, &[0, 3, 1, 2]);
    let weight = B::float_reshape(
        B::float_permute(weight, &[2, 0, 1]),
        Shape::from([channels, 1, kernel_h, kernel_w]),
    );
    let stride = [options.conv.stride; 2];
    let convolution = ConvOptions::new_with_padding(stride, [(top, bottom), (left, right)], [1, 1], channels);
    let output = B::float_permute(B::conv2d(input, weight, bias, convolution), &[0, 2, 3, 1]);
    rectify::<B>(output, options.rectifier)
}

pub(crate) fn concat<B: Backend>(parts: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    B::float_cat(parts, 3)
}

pub(crate) fn pool2d<B: Backend>(input: FloatTensor<B>, options: PoolOptions) -> FloatTensor<B> {
    let PoolOptions { pool, kernel, stride, padding, rectifier } = options;
    let [kernel, stride, padding] = [kernel, stride, padding].map(|size| [size; 2]);
    let input = B::float_permute(input, &[0, 3, 1, 2]);
    let output = match pool {
        Pool::Max => B::max_pool2d(input, kernel, stride, padding, [1, 1], false),
        Pool::Mean => B::avg_pool2d(input, kernel, stride, padding, false, false),
    };
    rectify::<B>(B::float_permute(output, &[0, 2, 3, 1]), rectifier)
}

fn conv2d<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: Conv2dOptions,
) -> FloatTensor<B> {
    let [top, bottom, left, right] = options.padding;
    let input = B::float_permute(input, &[0, 3, 1, 2]);
    let weight = B::float_permute(weight, &[3, 2, 0, 1]);
    let stride = [options.stride; 2];
    let options = ConvOptions::new_with_padding(stride, [(top, bottom), (left, right)], [1, 1], 1);
    B::float_permute(B::conv2d(input, weight, None, options), &[0, 2, 3, 1])
}

pub(crate) fn norm_act<B: Backend>(
    input: FloatTensor<B>,
    gain: FloatTensor<B>,
    offset: FloatTensor<B>,
    scale_shift: Option<(FloatTensor<B>, FloatTensor<B>)>,
    options: NormActOptions,
) -> FloatTensor<B> {
    let (shape, dtype) = (input.shape(), input.dtype());
    let [batch, height, width, channels] = [0, 1, 2, 3].map(|axis| shape[axis]);
    let per_group = height * width * channels / options.groups;
    let channelwise = |tensor| B::float_reshape(in_full::<B>(tensor), Shape::from([1, 1, 1, channels]));
    let samplewise = |tensor| B::float_reshape(in_full::<B>(tensor), Shape::from([batch, 1, 1, channels]));

    let grouped = Shape::from([batch, height * width, options.groups, channels / options.groups]);
    let input = B::float_reshape(in_full::<B>(input), grouped);
    let mean = |tensor| {
        let sum = B::float_sum_dim(B::float_sum_dim(tensor, 3), 1);
        B::float_div_scalar(sum, per_group.into())
    };
    let centred = B::float_sub(input.clone(), mean(input)); // [batch, pixels, groups, channels of a group]
    let variance = mean(B::float_mul(centred.clone(), centred.clone()));
    let deviation = B::float_sqrt(B::float_add_scalar(variance, options.epsilon.into()));
    let normalised = B::float_reshape(B::float_div(centred, deviation), shape);

    let mut output = B::float_add(B::float_mul(normalised, channelwise(gain)), channelwise(offset));
    if let Some((scale, shift)) = scale_shift {
        let factor = B::float_add_scalar(samplewise(scale), 1.0f64.into());
        output = B::float_add(B::float_mul(output, factor), samplewise(shift));
    }
    if options.activation == Activation::Silu {
        output = silu::<B>(output);
    }
    to_dtype::<B>(output, dtype)
}

/// The tangent of [`norm_act`]: with n the normalised input, n' = (x' − mean x' − n · mean of n x') / deviation.
pub(crate) fn norm_act_tangent<B: Backend>(
    [input, tangent]: [FloatTensor<B>; 2],
    [gain, offset]: [FloatTensor<B>; 2],
    scale_shift: Option<(FloatTensor<B>, FloatTensor<B>)>,
    tangents: Option<(FloatTensor<B>, FloatTensor<B>)>,
    options: NormActOptions,
) -> FloatTensor<B> {
    let (shape, dtype) = (input.shape(), input.dtype());
    let [batch, height, width, channels] = [0, 1, 2, 3].map(|axis| shape[axis]);
    let per_group = height * width * channels / options.groups;
    let channelwise = |tensor| B::float_reshape(in_full::<B>(tensor), Shape::from([1, 1, 1, channels]));
    let samplewise = |tensor| B::float_reshape(in_full::<B>(tensor), Shape::from([batch, 1, 1, channels]));
    let grouped = Shape::from([batch, height * width, options.groups, channels / options.groups]);
    let [input, tangent] =
        [input, tangent].map(|tensor| B::float_reshape(in_full::<B>(tensor), grouped.clone()));
    let mean = |tensor| {
        let sum = B::float_sum_dim(B::float_sum_dim(tensor, 3), 1);
        B::float_div_scalar(sum, per_group.into())
    };
    let centred = B::float_sub(input.clone(), mean(input));
    let variance = mean(B::float_mul(centred.clone(), centred.clone()));
    let deviation = B::float_sqrt(B::float_add_scalar(variance, options.epsilon.into()));
    let normalised = B::float_div(centred, deviation.clone());
    let along = mean(B::float_mul(normalised.clone(), tangent.clone()));
    let slope = B::float_sub(tangent.clone(), mean(tangent));
    let slope = B::float_sub(slope, B::float_mul(normalised.clone(), along));
    let slope = B::float_reshape(B::float_div(slope, deviation), shape.clone());

    let gain = channelwise(gain);
    let mut slope = B::float_mul(slope, gain.clone());
    let mut z = B::float_mul(B::float_reshape(normalised, shape), gain);
    z = B::float_add(z, channelwise(offset));
    if let Some((scale, shift)) = scale_shift {
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

pub(crate) fn attention<B: Backend>(qkv: FloatTensor<B>, heads: usize) -> FloatTensor<B> {
    let (shape, dtype) = (qkv.shape(), qkv.dtype());
    let [batch, tokens, width] = [shape[0], shape[1], shape[2] / (3 * heads)];
    let qkv = B::float_reshape(qkv, Shape::from([batch, tokens, 3, heads, width]));
    let qkv = B::float_permute(qkv, &[2, 0, 3, 1, 4]); // [3, batch, heads, tokens, width]
    let [query, key, value] = [0, 1, 2].map(|part| {
        let part = B::float_slice(qkv.clone(), &[Slice::from(part..part + 1)]);
        B::float_reshape(part, Shape::from([batch, heads, tokens, width]))
    });
    let scores = B::float_matmul(query, B::float_swap_dims(key, 2, 3)); // [batch, heads, tokens, tokens]
    let scores = B::float_div_scalar(in_full::<B>(scores), (width as f64).sqrt().into());
    let attended = B::float_matmul(to_dtype::<B>(B::softmax(scores, 3), dtype), value);
    B::float_reshape(B::float_swap_dims(attended, 1, 2), Shape::from([batch, tokens, heads * width]))
}

pub(crate) fn linear<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let outputs = weight.shape()[1];
    let output = B::float_matmul(input, weight);
    match bias {
        Some(bias) => B::float_add(output, B::float_reshape(bias, Shape::from([1, outputs]))),
        None => output,
    }
}

pub(crate) fn silu<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(B::sigmoid(input.clone()), input)
}

pub(crate) fn resample<B: Backend>(
    input: FloatTensor<B>,
    rows: &LinearMap,
    columns: &LinearMap,
) -> FloatTensor<B> {
    let (shape, dtype, device) = (input.shape(), input.dtype(), input.device());
    let [batch, height, width, channels] = [0, 1, 2, 3].map(|axis| shape[axis]);
    let matrix = |map: &LinearMap| {
        let mut dense = vec![0.0; map.outputs() * map.inputs];
        for (row, taps) in dense.chunks_exact_mut(map.inputs).zip(&map.taps) {
            taps.iter().for_each(|&(position, weight)| row[position] += weight);
        }
        let data = TensorData::new(dense, [map.outputs(), map.inputs]).convert_dtype(dtype);
        B::float_from_data(data, &device)
    };
    let (out_height, out_width) = (rows.outputs(), columns.outputs());

    let input = B::float_permute(input, &[1, 0, 2, 3]);
    let input = B::float_reshape(input, Shape::from([height, batch * width * channels]));
    let input = B::float_matmul(matrix(rows), input);
    let input = B::float_reshape(input, Shape::from([out_height, batch, width, channels]));
    let input = B::float_permute(input, &[2, 1, 0, 3]); // [width, batch, height, channels]
    let input = B::float_reshape(input, Shape::from([width, batch * out_height * channels]));
    let input = B::float_matmul(matrix(columns), input);
    let input = B::float_reshape(input, Shape::from([out_width, batch, out_height, channels]));
    B::float_permute(input, &[1, 2, 0, 3])
}

pub(crate) fn adam_update<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first_moment: FloatTensor<B>,
    second_moment: FloatTensor<B>,
    coefficients: AdamCoefficients,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let AdamCoefficients { beta1, beta2, coupled_decay, decoupled_decay, step_size, root } = coefficients;
    let parameter = B::float_detach(parameter);
    let mut gradient = B::float_detach(gradient);
    if coupled_decay != 0.0 {
        gradient = B::float_add(gradient, B::float_mul_scalar(parameter.clone(), coupled_decay.into()));
    }
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let first = blend::<B>(B::float_detach(first_moment), gradient, beta1);
    let second = blend::<B>(B::float_detach(second_moment), square, beta2);
    let direction = match root {
        Some(root) => {
            let scaled = B::float_mul_scalar(B::float_sqrt(second.clone()), root.scale.into());
            B::float_div(first.clone(), B::float_add_scalar(scaled, root.epsilon.into()))
        }
        None => first.clone(),
    };
    let parameter = match decoupled_decay {
        0.0 => parameter,
        decay => B::float_mul_scalar(parameter, (1.0 - decay).into()),
    };
    (B::float_sub(parameter, B::float_mul_scalar(direction, step_size.into())), first, second)
}

pub(crate) fn ema_update<B: Backend>(
    average: FloatTensor<B>,
    source: FloatTensor<B>,
    rate: f64,
) -> FloatTensor<B> {
    blend::<B>(B::float_detach(average), B::float_detach(source), rate)
}

/// rate · old + (1 − rate) · new
fn blend<B: Backend>(old: FloatTensor<B>, new: FloatTensor<B>, rate: f64) -> FloatTensor<B> {
    let old = B::float_mul_scalar(old, rate.into());
    B::float_add(old, B::float_mul_scalar(new, (1.0 - rate).into()))
}

/// Half precision in f32, everything else as it is.
fn in_full<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => B::float_cast(tensor, FloatDType::F32),
        _ => tensor,
    }
}

fn to_dtype<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if tensor.dtype() == dtype { tensor } else { B::float_cast(tensor, dtype.into()) }
}
