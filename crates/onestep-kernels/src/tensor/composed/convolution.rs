//! Convolutions and pools.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorMetadata};
use burn::tensor::ops::ConvOptions;

use super::norm::norm_act;
use crate::loops::Rectifier;
use crate::operators::{Conv2dOptions, Convolution, DepthwiseOptions, Pool, PoolOptions};

pub(crate) fn convolution<B: Backend>(convolution: Convolution<FloatTensor<B>>) -> FloatTensor<B> {
    let Convolution { input, norm, weight, bias, residual, factor, rectifier, options, .. } = convolution;
    let input = match norm {
        Some(norm) => norm_act::<B>(input, norm),
        None => input,
    };
    let mut output = conv2d::<B>(input, weight, options);
    if let Some(bias) = bias {
        let [rows, outputs] = [bias.shape()[0], bias.shape()[1]];
        output = B::float_add(output, B::float_reshape(bias, Shape::from([rows, 1, 1, outputs])));
    }
    if let Some(residual) = residual {
        output = B::float_add(output, residual);
    }
    if factor != 1.0 {
        output = B::float_mul_scalar(output, factor.into());
    }
    rectify::<B>(output, rectifier)
}

/// The products alone.
pub(crate) fn conv2d<B: Backend>(
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
