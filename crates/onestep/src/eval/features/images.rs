//! Images on their way into a feature network: checked, prepared one by one, and put together.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::data::Pixels;
use crate::eval::EvalError;

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
