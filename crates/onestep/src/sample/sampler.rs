//! Samplers by name, and which one a model is drawn from with where nobody chose: the one place that decides it.

use serde::{Deserialize, Serialize};

use super::{Churn, OdeEnd, OdeMethod, OdeOptions, Plan, SampleError, default_levels, trig_levels};
use crate::Result;
use crate::model::{ModelKind, NoiseRange, Preconditioning};
use crate::noise::{LevelsError, SamplingLevels};
use crate::solver::Order;

/// Levels of an ODE sampler where nobody chose: EDM's setting for 32x32 images.
pub const ODE_LEVELS: usize = 18;

/// How to get from noise to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// Consistency models: jump to the image, add noise, jump again.
    Multistep,
    /// Diffusion models: Heun's method, second order.
    Heun,
    /// Diffusion models: Euler's method.
    Euler,
    /// Diffusion models: DPM-2, second order.
    Dpm2,
    /// Diffusion models: Euler's method with fresh noise at every step.
    Ancestral,
    /// Diffusion models: DPM-Solver++ (3M), third order with one evaluation a step.
    #[serde(rename = "dpm++")]
    DpmPlusPlus,
    /// Diffusion models: DPM-Solver++ (2M), second order with one evaluation a step.
    #[serde(rename = "dpm++2m")]
    DpmPlusPlus2M,
    /// Models of progressive distillation: Euler's method on the levels they were made for.
    Progressive,
}

impl Sampler {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Multistep,
        Self::Heun,
        Self::Euler,
        Self::Dpm2,
        Self::DpmPlusPlus,
        Self::DpmPlusPlus2M,
        Self::Ancestral,
        Self::Progressive,
    ];

    /// The sampler's name, as it is typed and written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multistep => "multistep",
            Self::Heun => "heun",
            Self::Euler => "euler",
            Self::Dpm2 => "dpm2",
            Self::DpmPlusPlus => "dpm++",
            Self::DpmPlusPlus2M => "dpm++2m",
            Self::Ancestral => "ancestral",
            Self::Progressive => "progressive",
        }
    }

    /// The plan of this sampler at given levels. `churn` is EDM's S_churn, for Heun and DPM-2.
    ///
    /// # Errors
    ///
    /// [`SampleError::Churn`] if it is negative or not a number.
    pub fn plan(self, levels: SamplingLevels, churn: f64) -> Result<Plan, SampleError> {
        if !(churn >= 0.0 && churn.is_finite()) {
            return Err(SampleError::Churn { churn });
        }
        let (method, end) = match self {
            Self::Multistep => return Ok(Plan::Multistep(levels)),
            // One step from each level to the next, the last of which is not evaluated.
            Self::Progressive => (OdeMethod::Euler, OdeEnd::LastLevel),
            Self::Heun => (OdeMethod::Heun, OdeEnd::Zero),
            Self::Euler => (OdeMethod::Euler, OdeEnd::Zero),
            Self::Dpm2 => (OdeMethod::Dpm2, OdeEnd::Zero),
            Self::DpmPlusPlus => (OdeMethod::DpmPlusPlus(Order::Third), OdeEnd::Zero),
            Self::DpmPlusPlus2M => (OdeMethod::DpmPlusPlus(Order::Second), OdeEnd::Zero),
            Self::Ancestral => (OdeMethod::Ancestral, OdeEnd::Zero),
        };
        let churn = Churn { amount: churn, ..Churn::default() };
        Ok(Plan::Ode { levels, options: OdeOptions { method, churn, end, ..OdeOptions::default() } })
    }
}

/// A sampler with all that was chosen for it: with a model and a seed, an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplerSettings {
    /// The sampler.
    pub sampler: Sampler,
    /// The noise levels it visits, descending standard deviations in the units of the data.
    pub levels: Vec<f64>,
    /// Noise added along an ODE path: EDM's S_churn.
    pub churn: f64,
}

impl SamplerSettings {
    /// The plan that is followed.
    ///
    /// # Errors
    ///
    /// As [`Sampler::plan`]; [`LevelsError`] for levels that are none.
    pub fn plan(&self) -> Result<Plan> {
        Ok(self.sampler.plan(SamplingLevels::new(self.levels.clone())?, self.churn)?)
    }
}

/// All that decides how a model is sampled from where nobody says.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingProfile {
    /// What kind of model it is.
    pub kind: ModelKind,
    /// How its output is put together.
    pub preconditioning: Preconditioning,
    /// The noise it was made for.
    pub range: NoiseRange,
    /// Exponent of the noise levels' spacing.
    pub rho: f64,
    /// Descending levels that were published, searched for, or that the model was made for.
    pub levels: Option<Vec<f64>>,
}

impl SamplingProfile {
    /// A consistency model in the published form, with the published spacing of levels.
    pub fn consistency(range: NoiseRange) -> Self {
        Self {
            kind: ModelKind::Consistency,
            preconditioning: Preconditioning::Boundary,
            range,
            rho: 7.0,
            levels: None,
        }
    }

    /// A diffusion model in EDM's form, with EDM's spacing of levels.
    pub fn diffusion(range: NoiseRange) -> Self {
        Self { kind: ModelKind::Diffusion, preconditioning: Preconditioning::Edm, ..Self::consistency(range) }
    }

    /// The sampler that the model was trained for.
    pub fn sampler(&self) -> Sampler {
        match self.kind {
            ModelKind::Diffusion => Sampler::Heun,
            ModelKind::Consistency => Sampler::Multistep,
            ModelKind::Progressive => Sampler::Progressive,
        }
    }

    /// The number of steps that a student of progressive distillation was made for; none for other models.
    pub fn made_for_steps(&self) -> Option<usize> {
        let levels = self.levels.as_ref().filter(|_| self.kind == ModelKind::Progressive)?;
        // n steps lie between n + 1 levels.
        levels.len().checked_sub(1)
    }

    /// Refuses a sampler that the model is not for.
    ///
    /// # Errors
    ///
    /// [`SampleError`], which says what the model is.
    pub fn check(&self, sampler: Sampler) -> Result<(), SampleError> {
        match (self.kind, sampler) {
            (ModelKind::Progressive, Sampler::Progressive) => Ok(()),
            (ModelKind::Progressive, _) => Err(SampleError::ProgressiveOnly),
            (_, Sampler::Progressive) => Err(SampleError::NotProgressive),
            (ModelKind::Diffusion, Sampler::Multistep) => Err(SampleError::CannotJump),
            (ModelKind::Consistency, Sampler::Multistep) | (ModelKind::Diffusion, _) => Ok(()),
            (ModelKind::Consistency, _) => Err(SampleError::HasNoOde),
        }
    }

    /// The levels of a sampler for a number of steps, or for as many as suit the model.
    ///
    /// Jumps take the levels that the model carries, where they are as many as asked for, otherwise those of its form;
    /// an ODE sampler takes that many levels of the Karras grid; progressive distillation takes its own.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if there are no such levels in the model's range.
    pub fn levels(&self, sampler: Sampler, steps: Option<usize>) -> Result<SamplingLevels, LevelsError> {
        let NoiseRange { sigma_min, sigma_max, .. } = self.range;
        let grid = |n| SamplingLevels::karras(n, sigma_min, sigma_max, self.rho);
        let own = |n: Option<usize>| self.levels.clone().filter(|own| n.is_none_or(|n| n == own.len()));
        match sampler {
            Sampler::Progressive => match own(steps.map(|steps| steps + 1)) {
                Some(own) => SamplingLevels::new(own),
                None => grid(steps.unwrap_or(1) + 1),
            },
            Sampler::Multistep => match (own(steps), steps.unwrap_or(1), self.preconditioning) {
                (Some(own), _, _) => SamplingLevels::new(own),
                (None, n, Preconditioning::Trig | Preconditioning::TrigEdm) => trig_levels(n, &self.range),
                (None, n, _) => default_levels(n, &self.range, self.rho),
            },
            _ => grid(steps.unwrap_or(ODE_LEVELS).max(2)),
        }
    }

    /// The plan that the model was trained for, in a number of steps or in as many as suit it.
    ///
    /// # Errors
    ///
    /// As [`SamplingProfile::levels`].
    pub fn plan(&self, steps: Option<usize>) -> Result<Plan> {
        let sampler = self.sampler();
        Ok(sampler.plan(self.levels(sampler, steps)?, 0.0)?)
    }
}
