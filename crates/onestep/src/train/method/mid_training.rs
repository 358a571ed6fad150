//! Consistency mid-training (CMT): every point of a teacher's path onto its end, between a diffusion model and easy tuning.

use serde::{Deserialize, Serialize};

use super::{
    AskedTeacher, Given, Losses, Method, MethodSettings, Place, Report, Student, Surroundings, checks,
};
use crate::Result;
use crate::model::{GuidanceRange, ModelKind, Preconditioning};
use crate::noise::SamplingLevels;
use crate::objective::{Batch, Distance, MidTraining, Weighting};
use crate::solver::Order;
use crate::train::RecipeError;

/// More steps than any path needs: beyond, a batch is one image with a thousand copies.
const MOST_STEPS: usize = 1024;

/// The settings of consistency mid-training.
///
/// A batch is of paths: each of its images becomes as many points as a path has steps, and each of the teacher's evaluations
/// serves one of them. The student is trained in the form of a diffusion model and used in the consistency form. What is left
/// out is that of the published run on CIFAR-10, but for the distance, which was LPIPS of the 32x32 images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Steps of a path, evenly spaced in ln σ from noise.sigma_max to the teacher's smallest level.
    pub path_steps: usize,
    /// How many of the teacher's evaluations a step of the path looks at; `published-third` makes the published paths.
    pub order: Order,
    /// Distance between the student's estimate and the end of the path.
    pub distance: Distance,
    /// Weight of a level; `karras` makes the error one of the network's own output.
    pub weighting: Weighting,
    /// Guides the teacher towards each sample's class, at a scale drawn evenly from `low` to `high`, which the student is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<GuidanceRange>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path_steps: 16,
            order: Order::Third,
            distance: Distance::PseudoHuber { huber_c: Some(0.0) },
            weighting: Weighting::Uniform,
            guidance: None,
        }
    }
}

impl MethodSettings for Settings {
    fn name(&self) -> &'static str {
        "cmt"
    }

    fn kind(&self) -> ModelKind {
        ModelKind::Consistency
    }

    fn preconditioning(&self) -> Preconditioning {
        Preconditioning::Boundary
    }

    fn training_preconditioning(&self) -> Preconditioning {
        Preconditioning::Edm
    }

    fn distills(&self) -> bool {
        true
    }

    fn guidance(&self) -> Option<GuidanceRange> {
        self.guidance
    }

    fn distance(&self) -> Option<&Distance> {
        Some(&self.distance)
    }

    fn check(&self, around: &Surroundings<'_>) -> Result<(), RecipeError> {
        if !(2..=MOST_STEPS).contains(&self.path_steps) {
            let reason = format!("must be from 2 to {MOST_STEPS}, not {}", self.path_steps);
            return checks::bad("objective.path_steps", reason);
        }
        checks::distance(&self.distance, around)?;
        checks::weighs_single_levels(self.weighting)
    }

    fn points_per_image(&self) -> u64 {
        self.path_steps as u64
    }

    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>> {
        let teacher = given.guided_teacher(self.guidance)?;
        let (high, low) = (given.noise.sigma_max, teacher.model().range().sigma_min);
        Ok(Box::new(Running {
            levels: SamplingLevels::log_uniform(self.path_steps + 1, low, high)?,
            teacher,
            loss: MidTraining {
                distance: given.distance(&self.distance)?,
                weighting: self.weighting,
                sigma_data: given.noise.sigma_data,
                order: self.order,
            },
        }))
    }
}

struct Running {
    teacher: AskedTeacher,
    levels: SamplingLevels,
    loss: MidTraining,
}

impl Method for Running {
    fn loss(&self, student: &Student<'_>, batch: &Batch, _: &Place) -> Result<Losses> {
        let levels = self.levels.as_slice();
        let values = self.loss.loss(student.tracked, &self.teacher, batch, levels)?;
        let n = batch.clean.dims()[0];
        let sigma = levels[..levels.len() - 1].iter().flat_map(|&level| vec![level; n]).collect();
        Ok(Losses::of(values, sigma))
    }

    fn report(&self, _: &Place) -> Report {
        Report { n_levels: Some(self.levels.as_slice().len()), ..Report::default() }
    }
}
