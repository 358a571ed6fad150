//! The denoising loss: trains a diffusion model in EDM's or TrigFlow's form, the teacher of the other methods.

use serde::{Deserialize, Serialize};

use super::{Given, Losses, Method, MethodSettings, Place, Student, Surroundings, checks, levels};
use crate::Result;
use crate::model::{ModelKind, Preconditioning};
use crate::objective::{self, Batch, Weighting};
use crate::train::RecipeError;

/// The settings of the denoising loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Mean of ln σ of the training levels.
    pub p_mean: f64,
    /// Deviation of ln σ.
    pub p_std: f64,
    /// Weight of a level.
    pub weighting: Weighting,
    /// How the output is put together: EDM's form, or TrigFlow's.
    #[serde(skip_serializing_if = "is_edm")]
    pub preconditioning: Preconditioning,
}

impl Default for Settings {
    /// EDM's.
    fn default() -> Self {
        Self { p_mean: -1.2, p_std: 1.2, weighting: Weighting::Karras, preconditioning: Preconditioning::Edm }
    }
}

fn is_edm(preconditioning: &Preconditioning) -> bool {
    *preconditioning == Preconditioning::Edm
}

impl MethodSettings for Settings {
    fn name(&self) -> &'static str {
        if self.preconditioning == Preconditioning::Trig { "trigflow" } else { "edm" }
    }

    fn kind(&self) -> ModelKind {
        ModelKind::Diffusion
    }

    fn preconditioning(&self) -> Preconditioning {
        self.preconditioning
    }

    fn check(&self, _: &Surroundings<'_>) -> Result<(), RecipeError> {
        checks::log_normal(["objective.p_mean", "objective.p_std"], self.p_mean, self.p_std)?;
        if !matches!(self.preconditioning, Preconditioning::Edm | Preconditioning::Trig) {
            return checks::bad("objective.preconditioning", "of a diffusion model is \"edm\" or \"trig\"");
        }
        checks::weighs_single_levels(self.weighting)
    }

    fn preview_steps(&self) -> Vec<Option<usize>> {
        vec![None]
    }

    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Running { settings: self.clone(), sigma_data: given.noise.sigma_data }))
    }
}

struct Running {
    settings: Settings,
    sigma_data: f64,
}

impl Method for Running {
    fn loss(&self, student: &Student<'_>, batch: &Batch, place: &Place) -> Result<Losses> {
        let Settings { p_mean, p_std, weighting, .. } = self.settings;
        let sigma = levels::log_normal(p_mean, p_std, place);
        let values = objective::denoising(student.tracked, batch, &sigma, weighting, self.sigma_data)?;
        Ok(Losses::of(values, sigma))
    }
}
