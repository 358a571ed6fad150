//! The end of a classifier: what is left of an image as numbers, and what classes they tell.

use burn::tensor::{Device, Tensor, TensorData};
use onestep_kernels::{Layouts, linear_with};
use rayon::prelude::*;

/// The last layer of a classifier.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    layouts: Layouts,
}

impl Linear {
    /// A linear layer from PyTorch's layout `[outputs, inputs]`.
    pub(crate) fn new(
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

    /// `[images, inputs]` to `[images, outputs]`.
    pub(crate) fn forward(&self, features: &[f32], device: &Device) -> Vec<f32> {
        let inputs = self.weight.dims()[0];
        let features = TensorData::new(features.to_vec(), [features.len() / inputs, inputs]);
        let features = Tensor::from_data(features, device);
        values(linear_with(features, self.weight.clone(), self.bias.clone(), Some(self.layouts.clone())))
    }
}

/// The mean over all pixels, in f64: `[images, height, width, channels]` to `[images, channels]`.
pub(crate) fn global_mean(input: Tensor<4>) -> Vec<f32> {
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

/// What a tensor in f32 holds.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("classifiers compute in f32")
}
