//! Multistep consistency sampling: jump to the clean image, add back a little noise, jump again.

use burn::tensor::{DType, Tensor};

use super::{Request, clamped, draw};
use crate::Result;
use crate::model::Denoiser;
use crate::noise::{NoiseSource, SamplingLevels};

/// Draws a batch by multistep consistency sampling.
///
/// With one level this is one-step generation; each further level trades one more network evaluation (NFE)
/// for quality, so the cost is exactly `levels.as_slice().len()` calls of `model`.
///
/// # Shapes
///
/// - `request.shape`: `[batch, height, width, channels]`.
/// - returns: the same shape, in the range the model was trained on (images: [-1, 1]).
///
/// # Randomness
///
/// All of it comes from `noise`, one draw a level.
///
/// # Errors
///
/// Whatever `model` returns; nothing is added. `levels` cannot be empty or out of order, which
/// [`SamplingLevels`] checks once, where the numbers enter.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), Algorithm 1. Compared with `stochastic_iterative_sampler` in
/// openai/consistency_models, which takes indices into a Karras schedule where this takes the levels
/// themselves, and which adds noise of scale zero after the last jump. The generator of locuslab/ect adds noise of
/// the full σ; with its σ_min of 0.003 that is 7e-6 of the noise at σ = 0.821.
pub fn sample_multistep(
    model: &dyn Denoiser,
    levels: &SamplingLevels,
    noise: &mut dyn NoiseSource,
    request: Request<'_>,
) -> Result<Tensor<4>> {
    let nowhere = Tensor::<4>::zeros(request.shape, request.device);
    sample_multistep_from(model, levels, nowhere, &|estimate| estimate, noise, request)
}

/// Multistep sampling that starts at `origin` instead of nowhere, and puts every estimate through `project`: what editing
/// is made of.
///
/// # Shapes
///
/// `origin`: that of `request.shape`; so is what `project` takes and gives.
///
/// # Randomness
///
/// As [`sample_multistep`], of which this is the general form: from zeros and with the identity they are the same to the
/// bit.
///
/// # Errors
///
/// Whatever `model` returns.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), Algorithm 4. `project` follows the clamp, as in `iterative_*` of
/// openai/consistency_models.
pub fn sample_multistep_from(
    model: &dyn Denoiser,
    levels: &SamplingLevels,
    origin: Tensor<4>,
    project: &dyn Fn(Tensor<4>) -> Tensor<4>,
    noise: &mut dyn NoiseSource,
    request: Request<'_>,
) -> Result<Tensor<4>> {
    let Request { shape, condition, clamp, device, on_estimate } = request;
    let mut clean = origin;
    for (jump, &sigma) in levels.as_slice().iter().enumerate() {
        // The first jump starts from the whole noise; later ones keep the residual noise of `sigma_min`.
        let added =
            if jump == 0 { sigma } else { (sigma.powi(2) - model.sigma_min().powi(2)).max(0.0).sqrt() };
        let noisy = clean + draw(noise, shape, device, DType::F32) * added;
        clean = project(clamped(model.denoise(noisy, &vec![sigma; shape[0]], condition)?, clamp));
        if !on_estimate(&clean) {
            break;
        }
    }
    Ok(clean)
}
