//! Progressive distillation: two Euler steps of a teacher in one step of its student.

use burn::tensor::Tensor;

use super::{Batch, LevelPairs, LoadedDistance, Weighting};
use crate::model::{Denoiser, ModelError, check_batch, per_sample};
use crate::solver::Solver;

/// The loss of a student that takes in one Euler step the way that its teacher takes in two.
#[derive(Debug, Clone)]
pub struct ProgressiveDistillation {
    /// Distance between the student's estimate and the one that would take it where the teacher arrives.
    pub distance: LoadedDistance,
    /// Weight of a step, taken at the level where it starts.
    pub weighting: Weighting,
    /// Standard deviation of the data.
    pub sigma_data: f64,
    /// Exponent of the Karras grid: where between the two levels of a step the teacher pauses.
    pub rho: f64,
}

impl ProgressiveDistillation {
    /// λ(σ_high)·d(student(x_high, σ_high), x̂), one number a sample.
    ///
    /// x̂ is the estimate with which one Euler step from `high` to `low` ends where the teacher's two end.
    ///
    /// # Shapes
    ///
    /// See [`Batch`]; one step, `high` to `low`, a sample, `low` not 0; returns `[batch]`.
    ///
    /// # Randomness
    ///
    /// None of its own; the teacher never drops out.
    ///
    /// # Errors
    ///
    /// Whatever a denoiser returns, and [`ModelError::WrongBatch`] for lists of another length.
    ///
    /// # Source
    ///
    /// Salimans and Ho 2022 (arXiv:2202.00512), Algorithm 2, in the variance-exploding form of
    /// `progdist_losses` in openai/consistency_models and its twin in the CIFAR-10 code. There x̂ comes from the
    /// difference of two states, x - t·(x'' - x)/(t'' - t); with many steps little is left of it in f32. Written
    /// with the teacher's two estimates D and D' it is D + (D' - D)·(t'' - t')/(t'' - t)·t/t', which loses nothing.
    pub fn loss(
        &self,
        student: &dyn Denoiser,
        teacher: &dyn Denoiser,
        batch: &Batch,
        steps: &LevelPairs,
    ) -> Result<Tensor<1>, ModelError> {
        let n = batch.clean.dims()[0];
        let LevelPairs { low, high } = steps;
        check_batch("high noise levels", high.len(), n)?;
        check_batch("low noise levels", low.len(), n)?;
        let middle: Vec<f64> = low.iter().zip(high).map(|(&low, &high)| self.middle(low, high)).collect();
        let noisy =
            batch.clean.clone() + batch.noise.clone() * per_sample(high.iter().copied(), &batch.clean);
        let condition = batch.condition.without_dropout();
        let first = Solver::Euler.step(teacher, noisy.clone(), high, &middle, &condition)?;
        let second = teacher.denoise(first.state, &middle, &condition)?;
        let share = (0..n).map(|i| (low[i] - middle[i]) / (low[i] - high[i]) * high[i] / middle[i]);
        let reference = first.estimate.clone() + (second - first.estimate) * per_sample(share, &batch.clean);
        let estimate = student.denoise(noisy, high, &batch.condition)?;
        let weights = high.iter().map(|&sigma| self.weighting.at(sigma, self.sigma_data));
        let weights = per_sample(weights, &batch.clean).reshape([n]);
        Ok(self.distance.between(estimate, reference.inner()) * weights)
    }

    /// The level halfway on the grid.
    fn middle(&self, low: f64, high: f64) -> f64 {
        let root = 1.0 / self.rho;
        (0.5 * (low.powf(root) + high.powf(root))).powf(self.rho)
    }
}
