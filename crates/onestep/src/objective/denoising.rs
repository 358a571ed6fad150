//! The denoising objective: trains a diffusion model, the teacher.

use burn::tensor::Tensor;

use super::distance::mean_square;
use super::{Batch, Weighting};
use crate::model::{Denoiser, ModelError, per_sample};

/// The weighted squared error of the denoised image, one number a sample: λ(σ)·mean (D(x + σz, σ) - x)².
///
/// # Shapes
///
/// `batch`: `[batch, height, width, channels]` images and unit normals; one `sigma` a sample; returns `[batch]`.
///
/// # Errors
///
/// Whatever `model` returns; nothing is added.
///
/// # Source
///
/// Karras et al. 2022 (arXiv:2206.00364), eq. 108 with the levels given. EDM sums over pixels and divides by
/// the batch, OpenAI's code takes the mean over pixels: the mean is used here, so that learning rates and
/// losses do not depend on the image size.
pub fn denoising(
    model: &dyn Denoiser,
    batch: &Batch,
    sigma: &[f64],
    weighting: Weighting,
    sigma_data: f64,
) -> Result<Tensor<1>, ModelError> {
    let scale = per_sample(sigma.iter().copied(), &batch.clean);
    let noisy = batch.clean.clone() + batch.noise.clone() * scale;
    let estimate = model.denoise(noisy, sigma, &batch.condition)?;
    let weights = per_sample(sigma.iter().map(|&sigma| weighting.at(sigma, sigma_data)), &batch.clean);
    Ok(mean_square(estimate - batch.clean.clone()) * weights.reshape([sigma.len()]))
}
