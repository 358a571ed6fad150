//! Consistency mid-training: every point of a teacher's path regressed onto the end of that path.

use burn::tensor::Tensor;

use super::{Batch, LoadedDistance, Weighting};
use crate::model::{Denoiser, ModelError, per_sample};
use crate::solver::{self, Order};

/// The loss of a student that is to jump from any point of a teacher's path to where the path ends.
#[derive(Debug, Clone)]
pub struct MidTraining {
    /// Distance between the student's estimate and the end of the path.
    pub distance: LoadedDistance,
    /// Weight of a point, taken at its level.
    pub weighting: Weighting,
    /// Standard deviation of the data.
    pub sigma_data: f64,
    /// How the teacher's path is followed.
    pub order: Order,
}

impl MidTraining {
    /// λ(σⱼ)·d(student(xⱼ, σⱼ), x_K) for every point of every path but its end, one number a point.
    ///
    /// A path begins at x₀ = image + σ₀·noise and is the teacher's by [DPM-Solver++](solver::DpmPlusPlus). The
    /// target is the end of the path and depends on nothing that is trained.
    ///
    /// # Shapes
    ///
    /// See [`Batch`]; `levels` descend, K + 1 of them with the end of the path last; returns `[K·batch]`, all images at one
    /// level before those at the next.
    ///
    /// # Randomness
    ///
    /// None of its own. The teacher never drops out; the student's masks are others at every point
    /// ([`Condition::repeated`](crate::model::Condition::repeated)).
    ///
    /// # Errors
    ///
    /// Whatever a denoiser returns; nothing is added.
    ///
    /// # Source
    ///
    /// Consistency mid-training (arXiv:2509.24526); compared with the numbers of `DPMSolverLoss` of its code, whose order is
    /// [`Order::PublishedThird`]. That code takes the sum of squares, the root of that sum, or LPIPS of the images as they are: [`Distance::L2`](super::Distance::L2) is the
    /// mean of squares instead, as everywhere here, and the root is the pseudo-Huber distance with c = 0. It never tells its
    /// teacher a class, where the batch's condition is told to both here.
    pub fn loss(
        &self,
        student: &dyn Denoiser,
        teacher: &dyn Denoiser,
        batch: &Batch,
        levels: &[f64],
    ) -> Result<Tensor<1>, ModelError> {
        let n = batch.clean.dims()[0];
        let Some((&first, n_points)) = levels.first().zip(levels.len().checked_sub(1)) else {
            return Ok(Tensor::zeros([0], &batch.clean.device()));
        };
        let start = batch.clean.clone() + batch.noise.clone() * first;
        let condition = batch.condition.without_dropout();
        let mut states = solver::path(teacher, start, levels, self.order, &condition)?;
        let end = states.pop().expect("a path has a state for each level").inner();
        let noisy = Tensor::cat(states, 0);
        let sigma: Vec<f64> = levels[..n_points].iter().flat_map(|&level| vec![level; n]).collect();
        let estimate = student.denoise(noisy, &sigma, &batch.condition.repeated(n_points))?;
        let target = end.repeat_dim(0, n_points);
        let weights =
            per_sample(sigma.iter().map(|&sigma| self.weighting.at(sigma, self.sigma_data)), &target);
        Ok(self.distance.between(estimate, target) * weights.reshape([sigma.len()]))
    }
}
