//! The consistency objective: the same estimate from two neighboring points of one ODE path.

use burn::tensor::Tensor;

use super::{LoadedDistance, Weighting};
use crate::model::{Condition, Denoiser, ModelError, check_batch, per_sample};
use crate::solver::Solver;

/// What a loss is computed on.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Training images, `[batch, height, width, channels]`.
    pub clean: Tensor<4>,
    /// Unit normals of the same shape.
    pub noise: Tensor<4>,
    /// Labels and dropout key; student and target get the same, a teacher never drops out.
    pub condition: Condition,
}

/// The two noise levels of each sample, `low[i] < high[i]`. A low level of 0 means the clean image itself.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelPairs {
    /// The cleaner level, where the target is evaluated.
    pub low: Vec<f64>,
    /// The noisier level, where the student is evaluated.
    pub high: Vec<f64>,
}

/// How the cleaner point is found from the noisier one.
#[derive(Clone, Copy)]
pub enum Path<'a> {
    /// One step of the ODE of a diffusion model: distillation.
    Teacher {
        /// The diffusion model.
        teacher: &'a dyn Denoiser,
        /// How the step is taken; Heun as published.
        solver: Solver,
    },
    /// The same noise on the same image, which needs no teacher: training in isolation.
    Data,
}

/// The consistency loss by its parts.
#[derive(Debug, Clone)]
pub struct Consistency {
    /// Distance between the two estimates.
    pub distance: LoadedDistance,
    /// Weight of a pair.
    pub weighting: Weighting,
    /// Standard deviation of the data.
    pub sigma_data: f64,
}

impl Consistency {
    /// λ·d(student(x_high, σ_high), target(x_low, σ_low)), one number a sample.
    ///
    /// # Shapes
    ///
    /// See [`Batch`]; one pair of levels a sample; returns `[batch]`.
    ///
    /// # Randomness
    ///
    /// None of its own. Student and target are given the same dropout key, so their masks are equal.
    ///
    /// # Errors
    ///
    /// Whatever a denoiser returns, and [`ModelError::WrongBatch`] for lists of another length.
    ///
    /// # Source
    ///
    /// Song et al. 2023 (arXiv:2303.01469), Algorithms 2 and 3; compared with `consistency_losses` in
    /// openai/consistency_models. There, CT takes an Euler step with the image in the teacher's place; the
    /// point it reaches is clean + σ_low·noise, which is what is computed here.
    /// With inverse-gap weighting and pseudo-Huber distance: improved consistency training (arXiv:2310.14189),
    /// and, at levels drawn freely, easy consistency tuning (arXiv:2406.14548), whose released code also
    /// replaces NaN in the target's estimate by zero; here such an update is not made.
    pub fn loss(
        &self,
        student: &dyn Denoiser,
        target: &dyn Denoiser,
        path: Path<'_>,
        batch: &Batch,
        pairs: &LevelPairs,
    ) -> Result<Tensor<1>, ModelError> {
        let n = batch.clean.dims()[0];
        check_batch("high noise levels", pairs.high.len(), n)?;
        check_batch("low noise levels", pairs.low.len(), n)?;
        let at = |levels: &[f64]| {
            batch.clean.clone() + batch.noise.clone() * per_sample(levels.iter().copied(), &batch.clean)
        };
        let noisy_high = at(&pairs.high);
        let noisy_low = match path {
            Path::Data => at(&pairs.low),
            Path::Teacher { teacher, solver } => {
                let condition = batch.condition.without_dropout();
                solver.step(teacher, noisy_high.clone(), &pairs.high, &pairs.low, &condition)?.state.inner()
            }
        };
        let reference =
            self.target_estimate(target, noisy_low, &batch.clean, &pairs.low, &batch.condition)?;
        let estimate = student.denoise(noisy_high, &pairs.high, &batch.condition)?;
        let weights = pairs.low.iter().zip(&pairs.high);
        let weights = weights.map(|(&low, &high)| self.weighting.at_pair(low, high, self.sigma_data));
        let weights = per_sample(weights, &batch.clean).reshape([n]);
        Ok(self.distance.between(estimate, reference) * weights)
    }

    /// The target's estimate without gradient; where the low level is 0, the clean image.
    fn target_estimate(
        &self,
        target: &dyn Denoiser,
        noisy_low: Tensor<4>,
        clean: &Tensor<4>,
        low: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        if low.iter().all(|&sigma| sigma > 0.0) {
            return Ok(target.denoise(noisy_low, low, condition)?.inner());
        }
        if low.iter().all(|&sigma| sigma == 0.0) {
            return Ok(clean.clone().inner());
        }
        // A network cannot be asked about σ = 0; it is asked about σ_min and the answer is not used.
        let asked: Vec<f64> = low.iter().map(|&s| if s > 0.0 { s } else { target.sigma_min() }).collect();
        let estimate = target.denoise(noisy_low, &asked, condition)?.inner();
        let used = per_sample(low.iter().map(|&s| if s > 0.0 { 1.0 } else { 0.0 }), clean);
        Ok(estimate * used.clone() + clean.clone().inner() * (used.neg() + 1.0))
    }
}
