//! Layers that trained classifiers are made of, ready to run: batch norm is part of the convolution.

use burn::tensor::{Device, Tensor, TensorData};
use onestep_kernels::{
    Conv2dOptions, Convolution, DepthwiseOptions, Layouts, Rectifier, depthwise_conv2d, linear_with,
};

use rayon::prelude::*;

use crate::data::Pixels;
pub(super) use crate::digest::of_arrays as weights_digest;
use crate::eval::EvalError;
use crate::interop::NamedArrays;
use crate::model::ModelError;

/// Arrays of a file, taken one by one.
pub(super) struct Arrays {
    named: NamedArrays,
    /// If there is no file: what was asked for.
    asked: Option<Vec<(String, Vec<usize>)>>,
}

impl Arrays {
    pub(super) fn new(named: NamedArrays) -> Self {
        Self { named, asked: None }
    }

    /// No arrays: gives ones, and notes what it is asked for.
    pub(super) fn asked_for(
        body: impl FnOnce(&mut Self) -> Result<(), ModelError>,
    ) -> Vec<(String, Vec<usize>)> {
        let mut arrays = Self { named: NamedArrays::new(), asked: Some(Vec::new()) };
        body(&mut arrays).expect("whatever is asked for is there");
        arrays.asked.unwrap_or_default()
    }

    /// An array that must be there and have this shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        if let Some(asked) = &mut self.asked {
            asked.push((name.into(), shape.into()));
            return Ok(vec![1.0; shape.iter().product()]);
        }
        let Some((found, values)) = self.named.remove(name) else {
            return Err(ModelError::MissingTensor { name: name.into(), shape: shape.into() });
        };
        if found != shape {
            return Err(ModelError::WrongShape { name: name.into(), found, expected: shape.into() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ModelError::NotFinite { name: name.into(), index }),
            None => Ok(values),
        }
    }

    /// The scale and offset that a trained batch norm comes to; without a scale of its own where `scale` is none.
    ///
    /// γ (x − mean) / √(variance + epsilon) + β = scale · x + offset, in f64.
    pub(super) fn batch_norm(
        &mut self,
        [scale, offset, mean, variance]: [Option<&str>; 4],
        channels: usize,
        epsilon: f64,
    ) -> Result<Affine, ModelError> {
        let mut take = |name: Option<&str>, default: f32| match name {
            Some(name) => self.take(name, &[channels]),
            None => Ok(vec![default; channels]),
        };
        let (gains, offsets) = (take(scale, 1.0)?, take(offset, 0.0)?);
        let (means, variances) = (take(mean, 0.0)?, take(variance, 1.0)?);
        if variances.iter().any(|&variance| f64::from(variance) + epsilon <= 0.0) {
            let name = variance.unwrap_or_default().to_owned();
            return Err(ModelError::WrongConstant { name, reason: "a variance is negative".into() });
        }
        let scale: Vec<f64> = gains
            .iter()
            .zip(&variances)
            .map(|(&gain, &variance)| f64::from(gain) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let offset = (offsets.iter().zip(&means).zip(&scale))
            .map(|((&offset, &mean), scale)| f64::from(offset) - f64::from(mean) * scale)
            .collect();
        Ok(Affine { scale, offset })
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        match self.named.into_keys().next() {
            Some(name) => Err(ModelError::ExtraTensor { name }),
            None => Ok(()),
        }
    }
}

/// One factor and one summand a channel.
pub(super) struct Affine {
    pub scale: Vec<f64>,
    pub offset: Vec<f64>,
}

impl Affine {
    /// A bias alone.
    pub(super) fn bias(bias: &[f32]) -> Self {
        Self { scale: vec![1.0; bias.len()], offset: bias.iter().copied().map(f64::from).collect() }
    }
}

/// A convolution with its bias, and what cuts it off.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor<4>,
    /// `[1, outputs]`
    bias: Tensor<2>,
    options: Conv2dOptions,
    rectifier: Rectifier,
    layouts: Layouts,
}

impl Conv {
    /// From PyTorch's layout `[outputs, inputs, kernel_h, kernel_w]`, with a batch norm after it.
    pub(super) fn new(
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

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.with_residual(input, None)
    }

    /// With something added before it is cut off.
    pub(super) fn with_residual(&self, input: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
        Convolution {
            bias: Some(self.bias.clone()),
            residual,
            rectifier: self.rectifier,
            layouts: Some(self.layouts.clone()),
            ..Convolution::new(input, self.weight.clone(), self.options)
        }
        .forward()
    }
}

/// A depthwise convolution with its bias, and what cuts it off.
#[derive(Debug)]
pub(super) struct Depthwise {
    weight: Tensor<3>,
    bias: Tensor<1>,
    options: DepthwiseOptions,
}

impl Depthwise {
    /// From PyTorch's layout `[channels, 1, kernel, kernel]`, with a batch norm after it.
    pub(super) fn new(
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

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        depthwise_conv2d(input, self.weight.clone(), Some(self.bias.clone()), self.options)
    }
}

/// The last layer of a classifier.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    layouts: Layouts,
}

impl Linear {
    /// From PyTorch's layout `[outputs, inputs]`.
    pub(super) fn new(
        weight: &[f32],
        [outputs, inputs]: [usize; 2],
        bias: Option<&[f32]>,
        device: &Device,
    ) -> Self {
        let ours: Vec<f32> =
            (0..inputs * outputs).map(|index| weight[index % outputs * inputs + index / outputs]).collect();
        let bias = bias.map(|bias| Tensor::from_data(TensorData::new(bias.to_vec(), [outputs]), device));
        let weight = Tensor::from_data(TensorData::new(ours, [inputs, outputs]), device);
        Self { weight, bias, layouts: Layouts::default() }
    }

    /// Of features `[images, inputs]`.
    pub(super) fn forward(&self, features: &[f32], device: &Device) -> Vec<f32> {
        let inputs = self.weight.dims()[0];
        let features = TensorData::new(features.to_vec(), [features.len() / inputs, inputs]);
        let features = Tensor::from_data(features, device);
        values(linear_with(features, self.weight.clone(), self.bias.clone(), Some(self.layouts.clone())))
    }
}

/// The mean over all pixels, in f64: `[images, height, width, channels]` to `[images, channels]`.
pub(super) fn global_mean(input: Tensor<4>) -> Vec<f32> {
    let [_, height, width, channels] = input.dims();
    let of_image = |image: &[f32]| -> Vec<f32> {
        let mut sums = vec![0.0f64; channels];
        for pixel in image.chunks_exact(channels) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sums.iter().map(|sum| (sum / (height * width) as f64) as f32).collect()
    };
    values(input).par_chunks_exact(height * width * channels).flat_map_iter(of_image).collect()
}

/// What a tensor holds.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("feature networks compute in f32")
}

/// Images prepared one by one, as one batch `[images, size, size, 3]`.
pub(super) fn batch(
    images: &[Pixels],
    size: usize,
    device: &Device,
    prepare: impl Fn(&Pixels) -> Vec<f32> + Send + Sync,
) -> Tensor<4> {
    let each: Vec<Vec<f32>> = images.par_iter().map(prepare).collect();
    let values = each.concat();
    Tensor::from_data(TensorData::new(values, [images.len(), size, size, 3]), device)
}

/// Refuses what is no batch of RGB images of one size.
pub(super) fn check_images(network: &str, images: &[Pixels]) -> Result<(), EvalError> {
    let wrong = |got: String| Err(EvalError::Images { network: network.into(), got });
    let Some(first) = images.first().map(Pixels::shape) else {
        return Ok(());
    };
    match images.iter().map(Pixels::shape).find(|&shape| shape != first) {
        Some(other) => wrong(format!("{first} and {other}")),
        None if first.channels != 3 => wrong(first.to_string()),
        None => Ok(()),
    }
}
