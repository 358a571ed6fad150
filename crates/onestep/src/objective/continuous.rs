//! The continuous-time consistency objective: the two points of a pair moved infinitely close together.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, LevelWeighting};
use crate::model::{ModelError, TrigFlow, Velocity, Weights, check_batch, per_sample};
use crate::noise::trig_from_sigma;

/// What the tangent is put through before it is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TangentNormalization {
    /// g/(‖g‖ + c) with the norm of the whole image: sCM, c = 0.1.
    Norm {
        /// Keeps small tangents small; 0.1 where none is given.
        #[serde(default = "published_c")]
        c: f64,
    },
    /// Every value clamped to [-1, 1]: the alternative of the same paper.
    Clip,
    /// Nothing: the continuous-time losses of 2023.
    None,
}

fn published_c() -> f64 {
    0.1
}

impl TangentNormalization {
    /// What a learned weighting of levels starts from: -ln of the loss to be expected, where that is known.
    ///
    /// A tangent of length one has a mean square of 1/`n_values`. A weighting that began at zero would have to climb to
    /// ln `n_values`, 8 for an image of 32x32, by the model's own small steps, and levels that are drawn seldom would count for
    /// next to nothing until it is there.
    ///
    /// # Source
    ///
    /// None: Lu and Song 2024 (arXiv:2410.11081) do not say where theirs starts.
    pub fn first_weighting(self, n_values: usize) -> f64 {
        match self {
            Self::Norm { .. } => (n_values.max(1) as f64).ln(),
            Self::Clip | Self::None => 0.0,
        }
    }
}

impl Default for TangentNormalization {
    fn default() -> Self {
        Self::Norm { c: 0.1 }
    }
}

/// How much each level counts, before anything is learned about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateWeighting {
    /// The change of f in a unit of the angle over σ_data·tan t: sCM's prior weighting.
    #[default]
    Prior,
    /// The change of f in a unit of σ: ⟨f, sg(df/dσ)⟩, as in 2023.
    Sigma,
}

/// Where the path through a noisy point leads.
#[derive(Clone, Copy)]
pub enum Direction<'a> {
    /// Along the ODE of a diffusion model: distillation (sCD).
    Teacher(&'a dyn TrigFlow),
    /// Along the straight change of mixture between this image and this noise, which is right on average: training in
    /// isolation (sCT).
    Data,
}

/// The continuous-time consistency loss by its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Continuous {
    /// What the tangent is put through.
    pub normalization: TangentNormalization,
    /// Weight of a level.
    pub weighting: RateWeighting,
    /// Standard deviation of the data.
    pub sigma_data: f64,
}

impl Continuous {
    /// λ(t)·mean (F - sg(F) - g)², one number a sample, where g is what cos t·df/dt asks of the network's output.
    ///
    /// Its gradient is that of λ(t)·⟨f, sg(df/dt)⟩ up to a constant, and its value the size of the tangent: both are finite
    /// where the tangent is zero. `ramp` in [0, 1] multiplies the part of the tangent that is unstable at first; `adaptive`
    /// makes it e^w·loss - w with a learned w(σ).
    ///
    /// # Shapes
    ///
    /// See [`Batch`]; one `sigma` a sample; returns `[batch]`.
    ///
    /// # Units
    ///
    /// `sigma`: standard deviation of noise, as everywhere; the angle is arctan(σ/σ_data).
    ///
    /// # Randomness
    ///
    /// None of its own. The student is evaluated once, so value, target and tangent share one dropout mask; the teacher
    /// never drops out.
    ///
    /// # Errors
    ///
    /// Whatever a model returns, and [`ModelError::WrongBatch`] for lists of another length.
    ///
    /// # Source
    ///
    /// Lu and Song 2024 (arXiv:2410.11081), Algorithm 1 and eq. 8 for [`RateWeighting::Prior`]. For
    /// [`RateWeighting::Sigma`] without normalization: Song et al. 2023 (arXiv:2303.01469), theorems 5 and 6 with the L2
    /// distance; compared with the stop-gradient losses of openai/consistency_models_cifar10 `jcm/losses.py`, which sums over
    /// pixels where the mean is taken here, and whose models are the identity at σ_min, where these are at σ = 0. That code's
    /// norm has an infinite slope at zero; none is taken here.
    pub fn loss(
        &self,
        student: &dyn TrigFlow,
        direction: Direction<'_>,
        batch: &Batch,
        sigma: &[f64],
        ramp: f64,
        adaptive: Option<(&LevelWeighting, &Weights)>,
    ) -> Result<Tensor<1>, ModelError> {
        let n = batch.clean.dims()[0];
        check_batch("noise levels", sigma.len(), n)?;
        let angles: Vec<f64> = sigma.iter().map(|&sigma| trig_from_sigma(sigma, self.sigma_data)).collect();
        let at = |of: &dyn Fn(f64) -> f64| per_sample(angles.iter().map(|&angle| of(angle)), &batch.clean);
        let noise = batch.noise.clone() * self.sigma_data;
        let noisy = batch.clean.clone() * at(&f64::cos) + noise.clone() * at(&f64::sin);
        let along = match direction {
            Direction::Data => noise * at(&f64::cos) - batch.clean.clone() * at(&f64::sin),
            Direction::Teacher(teacher) => {
                teacher.velocity(noisy.clone(), &angles, &batch.condition.without_dropout())?.inner()
            }
        };
        let Velocity { value, tangent } =
            student.velocity_along(noisy.clone(), along.clone(), &angles, &batch.condition)?;
        let still = value.clone().inner();
        let steady = (still.clone() - along) * at(&|t| -t.cos().powi(2));
        let moving = noisy * at(&|t| t.cos() * t.sin()) + tangent;
        let tangent = self.normalized(steady - moving * ramp);

        let residual = (value - still) / self.sigma_data - tangent;
        let n_values = residual.dims()[1..].iter().product();
        let residual = residual.reshape([n, n_values]);
        let square = (residual.clone() * residual).mean_dim(1).reshape([n]);
        let loss = match self.weighting {
            RateWeighting::Prior => square,
            // ⟨f, df/dσ⟩ is sin t·cos t·⟨F, g⟩, and the gradient of a square is twice its root.
            RateWeighting::Sigma => square * at(&|t| 0.5 * t.sin() * t.cos()).reshape([n]),
        };
        Ok(match adaptive {
            Some((weighting, weights)) => {
                let w = weighting.forward(weights, sigma);
                loss * w.clone().exp() - w
            }
            None => loss,
        })
    }

    fn normalized(&self, tangent: Tensor<4>) -> Tensor<4> {
        match self.normalization {
            TangentNormalization::Norm { c } => {
                let square = tangent.clone() * tangent.clone();
                let norm = square.sum_dim(3).sum_dim(2).sum_dim(1).sqrt();
                tangent / (norm + c)
            }
            TangentNormalization::Clip => tangent.clamp(-1.0, 1.0),
            TangentNormalization::None => tangent,
        }
    }
}
