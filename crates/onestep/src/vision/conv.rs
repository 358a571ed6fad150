//! Convolutions of trained classifiers, ready to run: batch norm is part of the weights.

use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use onestep_kernels::{Conv2dOptions, Convolution, DepthwiseOptions, Layouts, Rectifier, depthwise_conv2d};

use super::Affine;

/// A convolution with its bias, and what cuts it off.
#[derive(Debug)]
pub(crate) struct Conv {
    weight: Tensor<4>,
    /// `[1, outputs]`
    bias: Tensor<2>,
    options: Conv2dOptions,
    rectifier: Rectifier,
    layouts: Layouts,
}

impl Conv {
    /// A convolution from PyTorch's layout `[outputs, inputs, kernel_h, kernel_w]`, with `affine` after it.
    pub(crate) fn new(
        weight: &[f32],
        [outputs, inputs, kernel_h, kernel_w]: [usize; 4],
        affine: &Affine,
        (options, rectifier): (Conv2dOptions, Rectifier),
        device: &Device,
    ) -> Self {
        let area = kernel_h * kernel_w;
        let mut ours = Vec::with_capacity(weight.len());
        for pixel in 0..area {
            for input in 0..inputs {
                ours.extend((0..outputs).map(|output| {
                    let weight = f64::from(weight[(output * inputs + input) * area + pixel]);
                    (weight * affine.scale[output]) as f32
                }));
            }
        }
        let weight = Tensor::from_data(TensorData::new(ours, [kernel_h, kernel_w, inputs, outputs]), device);
        let bias: Vec<f32> = affine.offset.iter().map(|&offset| offset as f32).collect();
        let bias = Tensor::from_data(TensorData::new(bias, [1, outputs]), device);
        Self { weight, bias, options, rectifier, layouts: Layouts::default() }
    }

    /// `[images, height, width, inputs]` to `[images, height', width', outputs]`.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.with_residual(input, None)
    }

    /// The convolution with something added before it is cut off.
    pub(crate) fn with_residual(&self, input: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
        // A rectifier that is part of the convolution keeps no gradient.
        let inside = !input.is_autodiff();
        let output = Convolution {
            bias: Some(self.bias.clone()),
            residual,
            rectifier: if inside { self.rectifier } else { Rectifier::None },
            layouts: Some(self.layouts.clone()),
            ..Convolution::new(input, self.weight.clone(), self.options)
        }
        .forward();
        match self.rectifier {
            Rectifier::Relu if !inside => relu(output),
            Rectifier::Relu6 if !inside => output.clamp(0.0, 6.0),
            _ => output,
        }
    }

    /// This convolution for images in f64.
    pub(crate) fn in_f64(&self) -> Self {
        Self {
            weight: self.weight.clone().cast(DType::F64),
            bias: self.bias.clone().cast(DType::F64),
            layouts: Layouts::default(),
            ..*self
        }
    }
}

/// A depthwise convolution with its bias, and what cuts it off.
#[derive(Debug)]
pub(crate) struct Depthwise {
    weight: Tensor<3>,
    bias: Tensor<1>,
    options: DepthwiseOptions,
}

impl Depthwise {
    /// A depthwise convolution from PyTorch's layout `[channels, 1, kernel, kernel]`, with `affine` after it.
    pub(crate) fn new(
        weight: &[f32],
        [channels, kernel]: [usize; 2],
        affine: &Affine,
        options: DepthwiseOptions,
        device: &Device,
    ) -> Self {
        let area = kernel * kernel;
        let ours: Vec<f32> = (0..area * channels)
            .map(|index| {
                let (pixel, channel) = (index / channels, index % channels);
                (f64::from(weight[channel * area + pixel]) * affine.scale[channel]) as f32
            })
            .collect();
        let weight = Tensor::from_data(TensorData::new(ours, [kernel, kernel, channels]), device);
        let bias: Vec<f32> = affine.offset.iter().map(|&offset| offset as f32).collect();
        let bias = Tensor::from_data(TensorData::new(bias, [channels]), device);
        Self { weight, bias, options }
    }

    /// `[images, height, width, channels]` to `[images, height', width', channels]`.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        depthwise_conv2d(input, self.weight.clone(), Some(self.bias.clone()), self.options)
    }
}
