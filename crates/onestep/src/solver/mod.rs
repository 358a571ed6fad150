//! Steps along the probability-flow ODE dx/dσ = (x - D(x, σ))/σ: one by itself, or many that remember those before.

mod multistep;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::model::{Condition, Denoiser, ModelError, per_sample};

pub use multistep::{DpmPlusPlus, Order, path};

/// How one step is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// First order, one evaluation.
    Euler,
    /// Second order, two evaluations: the mean of the slopes at both ends; to σ = 0 an Euler step.
    #[default]
    Heun,
    /// Second order, two evaluations: the slope at a middle level, the mean of the two in σ^(1/3).
    Dpm2,
    /// Second order, two evaluations: the estimate at the middle level in ln σ stands for the whole step; to σ = 0 the first
    /// estimate does. DPM-Solver++ (2S).
    #[serde(rename = "dpm++")]
    DpmPlusPlus,
}

/// Where a step arrived.
#[derive(Debug, Clone)]
pub struct Step {
    /// The batch at the new levels.
    pub state: Tensor<4>,
    /// The last estimate of the clean images on the way.
    pub estimate: Tensor<4>,
}

impl Solver {
    /// Moves `noisy` from the levels `from` to the levels `to`.
    ///
    /// # Shapes
    ///
    /// `noisy` and the results: `[batch, height, width, channels]`; one level a sample in `from` and in `to`.
    ///
    /// # Errors
    ///
    /// Whatever `denoiser` returns; nothing is added.
    ///
    /// # Source
    ///
    /// Karras et al. 2022 (arXiv:2206.00364), Algorithm 1 with the two levels given. DPM-2: `sample_dpm` of
    /// openai/consistency_models (after k-diffusion). DPM-Solver++ (2S): Lu et al. 2022 (arXiv:2211.01095), algorithm 1 with
    /// r = ½.
    pub fn step(
        self,
        denoiser: &dyn Denoiser,
        noisy: Tensor<4>,
        from: &[f64],
        to: &[f64],
        condition: &Condition,
    ) -> Result<Step, ModelError> {
        let length = |to: &[f64]| per_sample(from.iter().zip(to).map(|(from, to)| to - from), &noisy);
        let (first, estimate) = slope(denoiser, &noisy, from, condition)?;
        let euler = |to: &[f64]| noisy.clone() + first.clone() * length(to);
        match self {
            Self::Heun if to.iter().any(|&to| to > 0.0) => {
                // A sample that lands on σ = 0 has no slope there: it keeps its first one.
                let at: Vec<f64> = from.iter().zip(to).map(|(&f, &t)| if t > 0.0 { t } else { f }).collect();
                let (second, estimate) = slope(denoiser, &euler(to), &at, condition)?;
                let share = per_sample(to.iter().map(|&to| if to > 0.0 { 0.5 } else { 0.0 }), &noisy);
                let mean = first.clone() + (second - first) * share;
                Ok(Step { state: noisy.clone() + mean * length(to), estimate })
            }
            Self::Euler | Self::Heun => Ok(Step { state: euler(to), estimate }),
            Self::Dpm2 => {
                let middle: Vec<f64> =
                    from.iter().zip(to).map(|(f, t)| (0.5 * (f.cbrt() + t.cbrt())).powi(3)).collect();
                let (second, estimate) = slope(denoiser, &euler(&middle), &middle, condition)?;
                Ok(Step { state: noisy.clone() + second * length(to), estimate })
            }
            Self::DpmPlusPlus => {
                // A sample that lands on σ = 0 has no middle: its first estimate is looked up again.
                let middle: Vec<f64> =
                    from.iter().zip(to).map(|(&f, &t)| if t > 0.0 { (f * t).sqrt() } else { f }).collect();
                let estimate = denoiser.denoise(euler(&middle), &middle, condition)?;
                let rest = per_sample(from.iter().zip(to).map(|(from, to)| to / from), &noisy);
                let state = estimate.clone() + (noisy.clone() - estimate.clone()) * rest;
                Ok(Step { state, estimate })
            }
        }
    }
}

/// The slope dx/dσ = (x - D(x, σ))/σ and the estimate it came from.
fn slope(
    denoiser: &dyn Denoiser,
    noisy: &Tensor<4>,
    sigma: &[f64],
    condition: &Condition,
) -> Result<(Tensor<4>, Tensor<4>), ModelError> {
    let estimate = denoiser.denoise(noisy.clone(), sigma, condition)?;
    let inverse = per_sample(sigma.iter().map(|sigma| 1.0 / sigma), noisy);
    Ok(((noisy.clone() - estimate.clone()) * inverse, estimate))
}
