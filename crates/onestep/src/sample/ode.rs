//! Samplers that follow the probability-flow ODE of a diffusion model, step by step.

use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::{Clamped, Request, draw};
use crate::Result;
use crate::model::{Condition, Denoiser, ModelError};
use crate::noise::{NoiseSource, SamplingLevels};
use crate::solver::{DpmPlusPlus, Order, Solver, Step};

/// How a step from one level to the next is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OdeMethod {
    /// Second order: the mean of the slopes at both ends. 2N - 1 evaluations for N levels.
    #[default]
    Heun,
    /// First order. N evaluations.
    Euler,
    /// Second order: the slope at a middle level, the mean of the two in σ^(1/3). 2N evaluations.
    Dpm2,
    /// First order with fresh noise at every step. N evaluations.
    Ancestral,
    /// DPM-Solver++, multistep: as many estimates as its order says together make a step. N evaluations.
    DpmPlusPlus(Order),
}

impl OdeMethod {
    /// How the deterministic part of a step is taken.
    fn stepper(self) -> Stepper {
        match self {
            Self::Heun => Stepper::Alone(Solver::Heun),
            Self::Euler | Self::Ancestral => Stepper::Alone(Solver::Euler),
            Self::Dpm2 => Stepper::Alone(Solver::Dpm2),
            Self::DpmPlusPlus(order) => Stepper::Remembering(DpmPlusPlus::new(order)),
        }
    }
}

/// What takes the steps of a path.
enum Stepper {
    /// Each by itself.
    Alone(Solver),
    /// Each with what those before it saw.
    Remembering(DpmPlusPlus),
}

impl Stepper {
    /// Moves a whole batch from one level to another; `remaining` counts the steps from this one on.
    fn step(
        &mut self,
        model: &dyn Denoiser,
        noisy: Tensor<4>,
        levels: [f64; 2],
        remaining: usize,
        condition: &Condition,
    ) -> Result<Step, ModelError> {
        match self {
            Self::Alone(solver) => {
                let [from, to] = levels.map(|level| vec![level; noisy.dims()[0]]);
                solver.step(model, noisy, &from, &to, condition)
            }
            Self::Remembering(solver) => solver.step(model, noisy, levels, remaining, condition),
        }
    }
}

/// Noise added before a step, to correct earlier errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// S_churn: total amount over all steps; 0 for none.
    pub amount: f64,
    /// S_tmin: no noise is added below this level.
    pub sigma_low: f64,
    /// S_tmax: no noise is added above this level.
    pub sigma_high: f64,
    /// S_noise: standard deviation of the added noise.
    pub std: f64,
}

impl Default for Churn {
    fn default() -> Self {
        Self { amount: 0.0, sigma_low: 0.0, sigma_high: f64::INFINITY, std: 1.0 }
    }
}

/// Where the path ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OdeEnd {
    /// One more step, from the last level to σ = 0.
    #[default]
    Zero,
    /// At the last level: how progressive distillation samples.
    LastLevel,
}

/// The choices of an ODE sampler.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OdeOptions {
    /// How a step is taken.
    pub method: OdeMethod,
    /// Noise added along the way (Heun and DPM-2 only).
    pub churn: Churn,
    /// Where the path ends.
    pub end: OdeEnd,
    /// Keep the state in f64, as EDM does; the network runs in f32 either way.
    pub double: bool,
    /// Standard deviation of the starting noise; without it the first level.
    pub start: Option<f64>,
}

impl OdeOptions {
    /// Network evaluations a sample for `n_levels` levels.
    pub fn nfe(&self, n_levels: usize) -> usize {
        let steps = if self.end == OdeEnd::Zero { n_levels } else { n_levels - 1 };
        match self.method {
            OdeMethod::Heun if self.end == OdeEnd::Zero => 2 * steps - 1,
            OdeMethod::Heun | OdeMethod::Dpm2 => 2 * steps,
            OdeMethod::Euler | OdeMethod::Ancestral | OdeMethod::DpmPlusPlus(_) => steps,
        }
    }
}

/// Draws a batch by following the ODE from the first of `levels` down.
///
/// # Shapes
///
/// `request.shape` and the result: `[batch, height, width, channels]`; f64 where `options.double`. With
/// `request.clamp` every estimate is clamped to [-1, 1]; the result is not clamped once more.
///
/// # Randomness
///
/// One draw for the start. Churn and ancestral steps take one draw each at every step, also where the
/// step adds none, so that moving the churn range does not change the other steps' noise.
///
/// # Errors
///
/// Whatever `model` returns; nothing is added.
///
/// # Source
///
/// Karras et al. 2022 (arXiv:2206.00364), Algorithms 1 and 2; Euler, DPM-2 and ancestral steps as
/// `sample_*` in openai/consistency_models (after k-diffusion). That code draws noise at every Heun and
/// DPM-2 step even without churn, where nothing is drawn here. DPM-Solver++: as [`DpmPlusPlus`].
pub fn sample_ode(
    model: &dyn Denoiser,
    levels: &SamplingLevels,
    options: &OdeOptions,
    noise: &mut dyn NoiseSource,
    request: Request<'_>,
) -> Result<Tensor<4>> {
    let Request { shape, condition, clamp, device, on_estimate } = request;
    let dtype = if options.double { DType::F64 } else { DType::F32 };
    let mut ladder = levels.as_slice().to_vec();
    if options.end == OdeEnd::Zero {
        ladder.push(0.0);
    }
    let n_steps = ladder.len() - 1;
    let churns = options.churn.amount > 0.0 && matches!(options.method, OdeMethod::Heun | OdeMethod::Dpm2);
    let model = Clamped { model, clamp };
    let mut state = draw(noise, shape, device, dtype) * options.start.unwrap_or(ladder[0]);
    let mut stepper = options.method.stepper();
    for (index, pair) in ladder.windows(2).enumerate() {
        let (mut sigma, next) = (pair[0], pair[1]);
        if churns {
            let churn = &options.churn;
            let normals = draw(noise, shape, device, dtype);
            if (churn.sigma_low..=churn.sigma_high).contains(&sigma) {
                let gamma = (churn.amount / n_steps as f64).min(std::f64::consts::SQRT_2 - 1.0);
                let raised = sigma * (1.0 + gamma);
                state = state + normals * ((raised.powi(2) - sigma.powi(2)).sqrt() * churn.std);
                sigma = raised;
            }
        }
        let ancestral = options.method == OdeMethod::Ancestral;
        let up = if ancestral { (next.powi(2) * (1.0 - (next / sigma).powi(2))).sqrt() } else { 0.0 };
        let down = (next.powi(2) - up.powi(2)).max(0.0).sqrt();
        let step = stepper.step(&model, state, [sigma, down], n_steps - index, condition)?;
        state = step.state;
        if ancestral {
            state = state + draw(noise, shape, device, dtype) * up;
        }
        let estimate = step.estimate;
        if !on_estimate(&estimate) {
            return Ok(estimate);
        }
    }
    Ok(state)
}
