//! The contract that carries everything: a denoiser is a function of a noisy batch and its σ.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::{Condition, ModelError};

/// (noisy batch, σ of each sample, condition) → clean batch.
///
/// Teacher, student, target, average and closed form all stand behind it; samplers, objectives, editors
/// and evaluation need nothing else. A consistency function is a denoiser too: its estimate is the end of
/// the ODE path instead of the mean of all images that could lie behind the noise.
pub trait Denoiser {
    /// Estimates the clean images behind `noisy`.
    ///
    /// # Shapes
    ///
    /// `noisy` and the result: `[batch, height, width, channels]`, f32 or f64. The result is not clamped.
    ///
    /// # Units
    ///
    /// `sigma`: standard deviation of the noise in each of the `batch` samples, in units of the data.
    ///
    /// # Errors
    ///
    /// [`ModelError`] where the batch or the condition does not fit the model.
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError>;

    /// The smallest noise level the model knows: at it, a consistency model is the identity.
    fn sigma_min(&self) -> f64;
}

impl<D: Denoiser + ?Sized> Denoiser for &D {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        (**self).denoise(noisy, sigma, condition)
    }

    fn sigma_min(&self) -> f64 {
        (**self).sigma_min()
    }
}

impl<D: Denoiser + ?Sized> Denoiser for Arc<D> {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        (**self).denoise(noisy, sigma, condition)
    }

    fn sigma_min(&self) -> f64 {
        (**self).sigma_min()
    }
}

/// One number a sample as a `[batch, 1, 1, 1]` tensor that broadcasts over images, of the type of `like`.
pub fn per_sample(values: impl IntoIterator<Item = f64>, like: &Tensor<4>) -> Tensor<4> {
    let values: Vec<f64> = values.into_iter().collect();
    let n = values.len();
    let device: Device = like.device().inner();
    Tensor::from_data(TensorData::new(values, [n, 1, 1, 1]), (&device, like.dtype()))
}
