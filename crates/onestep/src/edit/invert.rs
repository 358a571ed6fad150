//! Inversion: the noise that a real image comes from.

use burn::tensor::Tensor;

use crate::Result;
use crate::model::{Condition, Denoiser};
use crate::noise::{LevelsError, TrainingLevels};
use crate::sample::SamplingProfile;
use crate::solver::Solver;

/// Levels at which an image is followed up to its noise.
const LEVELS: usize = 60;

/// The levels of an inversion for a model, from the cleanest to the noisiest.
///
/// # Errors
///
/// [`LevelsError`] if the model's range is empty.
pub fn inversion_levels(profile: &SamplingProfile) -> Result<TrainingLevels, LevelsError> {
    TrainingLevels::karras(LEVELS, profile.range.sigma_min, profile.range.sigma_max, profile.rho)
}

/// Follows a diffusion model's ODE from images to noise, against the direction of sampling.
///
/// The consistency model that was distilled from it answers to that noise with (nearly) the image. The method of the paper has
/// no inversion of its own: a consistency model only knows the way down.
///
/// # Shapes
///
/// `images`: `[batch, height, width, channels]`, in [-1, 1]; returns unit noise of the same shape.
///
/// # Errors
///
/// Whatever `teacher` returns.
///
/// # Source
///
/// The probability-flow ODE of Karras et al. 2022 (arXiv:2206.00364), eq. 1, integrated upwards by Heun's method, from
/// σ_min, where the image is taken as it is.
pub fn invert(
    teacher: &dyn Denoiser,
    images: Tensor<4>,
    levels: &TrainingLevels,
    condition: &Condition,
) -> Result<Tensor<4>> {
    let batch = images.dims()[0];
    let levels = levels.as_slice();
    let mut state = images;
    for pair in levels.windows(2) {
        let (from, to) = (vec![pair[0]; batch], vec![pair[1]; batch]);
        state = Solver::Heun.step(teacher, state, &from, &to, condition)?.state;
    }
    Ok(state / levels[levels.len() - 1])
}
