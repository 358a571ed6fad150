//! Recipes: complete descriptions of training runs, read and written as TOML.
//!
//! A recipe is the run: nothing about it is decided by a flag elsewhere, by a default that differs between
//! commands, or by which files happen to lie around. Misspelt keys are refused.

mod check;
mod error;
mod objective;
mod settings;
mod training;

use serde::{Deserialize, Serialize};

use crate::data::DataSpec;
use crate::model::network::Architecture;
use crate::model::{ModelKind, NoiseRange, Preconditioning};
use crate::noise::{Curriculum, HalvingStage, LevelsError, SamplingLevels};
use crate::objective::{Distance, RateWeighting};
use crate::perceptual::WeightFiles;
use crate::sample::SamplingProfile;

pub use error::RecipeError;
pub use objective::{DirectionConfig, Objective, PathConfig};
pub use training::{Start, Train};

use settings::{apply_setting, parse_error};

/// Students of progressive distillation that sample in so many steps or fewer are what it is for.
const FEW_STEPS: usize = 8;

/// A complete description of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Short name, also of the built-in recipe it came from.
    pub name: String,
    /// One or two sentences: what it trains, where its numbers come from, where they differ.
    pub about: String,
    /// What is minimized.
    pub objective: Objective,
    /// The images.
    pub data: DataSpec,
    /// The range of noise.
    #[serde(default)]
    pub noise: Noise,
    /// The network.
    pub network: Architecture,
    /// How it is trained.
    pub train: Train,
    /// How it is sampled from, where that was published or searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// How a trained model is sampled from, unless somebody asks for something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Descending noise levels of multistep sampling; the model's file carries them.
    pub levels: Vec<f64>,
}

/// The range of noise and the scale of the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// Smallest level, where a consistency model is the identity.
    pub sigma_min: f64,
    /// Largest level, where sampling starts.
    pub sigma_max: f64,
    /// Standard deviation of the data.
    pub sigma_data: f64,
    /// Exponent of the Karras grid.
    pub rho: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self { sigma_min: 0.002, sigma_max: 80.0, sigma_data: 0.5, rho: 7.0 }
    }
}

impl Noise {
    /// The part a model needs.
    pub fn range(&self) -> NoiseRange {
        NoiseRange { sigma_min: self.sigma_min, sigma_max: self.sigma_max, sigma_data: self.sigma_data }
    }
}

impl Recipe {
    /// Reads TOML, applies `settings` (`key.path=value`, later ones win), and checks the result.
    ///
    /// # Errors
    ///
    /// [`RecipeError`]: unreadable text, unknown keys, settings that fit nowhere, values that contradict.
    pub fn parse(text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let mut table: toml::Table = text.parse().map_err(parse_error)?;
        for setting in settings {
            apply_setting(&mut table, setting)?;
        }
        let recipe: Self = if settings.is_empty() {
            // The text itself keeps line numbers for the message.
            toml::from_str(text).map_err(parse_error)?
        } else {
            table.try_into().map_err(parse_error)?
        };
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML; parsing it gives the recipe back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe holds nothing that TOML cannot express")
    }

    /// The field's name for what this recipe does: `edm`, `trigflow`, `cd`, `ct`, `ict` (training in isolation with the
    /// doubling curriculum of improved consistency training), `ect`, `pd`, `scd`, `sct`, ...
    pub fn method(&self) -> &'static str {
        match &self.objective {
            Objective::Denoising { preconditioning: Preconditioning::Trig, .. } => "trigflow",
            Objective::Denoising { .. } => "edm",
            Objective::Continuous { path, weighting, .. } => match (path, weighting) {
                (DirectionConfig::Teacher, RateWeighting::Prior) => "scd",
                (DirectionConfig::Data, RateWeighting::Prior) => "sct",
                (DirectionConfig::Teacher, RateWeighting::Sigma) => "cd-continuous",
                (DirectionConfig::Data, RateWeighting::Sigma) => "ct-continuous",
            },
            Objective::Consistency { path: PathConfig::Teacher { .. }, .. } => "cd",
            Objective::Consistency { curriculum: Curriculum::Doubling { .. }, .. } => "ict",
            Objective::Consistency { path: PathConfig::Data, .. } => "ct",
            Objective::Tuning { .. } => "ect",
            Objective::ProgressiveDistillation { .. } => "pd",
        }
    }

    /// SHA-256 of everything that decides the numbers of the run, so that a resumed run can refuse another
    /// recipe. How often it saves and previews, how long it runs, where the teacher and the weights of
    /// the distance lie and what the recipe is called may change.
    pub fn digest(&self) -> String {
        let mut decisive = self.clone();
        decisive.name.clear();
        decisive.about.clear();
        decisive.train.teacher = None;
        decisive.train.distance_files = WeightFiles::default();
        decisive.train.steps = 1;
        decisive.train.checkpoint_every = 1;
        decisive.train.keep = 1;
        decisive.train.preview_every = 0;
        decisive.sampling = None;
        crate::digest::hex(decisive.to_toml().as_bytes())
    }

    /// Whether a teacher must be given: to distill from, or to start from.
    pub fn needs_teacher(&self) -> bool {
        self.train.start == Start::Teacher || self.distills()
    }

    /// Whether the loss asks a teacher.
    pub fn distills(&self) -> bool {
        matches!(
            self.objective,
            Objective::Consistency { path: PathConfig::Teacher { .. }, .. }
                | Objective::ProgressiveDistillation { .. }
                | Objective::Continuous { path: DirectionConfig::Teacher, .. }
        )
    }

    /// The distance between two estimates; none for objectives that have none to choose.
    pub fn distance(&self) -> Option<Distance> {
        match self.objective {
            Objective::Consistency { distance, .. }
            | Objective::Tuning { distance, .. }
            | Objective::ProgressiveDistillation { distance, .. } => Some(distance),
            Objective::Denoising { .. } | Objective::Continuous { .. } => None,
        }
    }

    /// Whether a target with weights of its own is kept beside the student (μ > 0).
    pub fn keeps_target(&self) -> bool {
        matches!(&self.objective, Objective::Consistency { target, .. } if !target.is_student())
    }

    /// What the weighting that is learned along with the model starts from, for images of so many values; none where none is
    /// learned.
    pub fn first_weighting(&self, n_values: usize) -> Option<f64> {
        match self.objective {
            Objective::Continuous { adaptive: true, normalization, .. } => {
                Some(normalization.first_weighting(n_values))
            }
            _ => None,
        }
    }

    /// What kind of model it trains.
    pub fn kind(&self) -> ModelKind {
        match self.objective {
            Objective::Denoising { .. } => ModelKind::Diffusion,
            Objective::ProgressiveDistillation { .. } => ModelKind::Progressive,
            Objective::Consistency { .. } | Objective::Tuning { .. } | Objective::Continuous { .. } => {
                ModelKind::Consistency
            }
        }
    }

    /// How the model trained for `steps` updates is sampled from where nobody says.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if the recipe's levels are none.
    pub fn profile(&self, steps: u64) -> Result<SamplingProfile, LevelsError> {
        Ok(SamplingProfile {
            kind: self.kind(),
            preconditioning: self.preconditioning(),
            range: self.noise.range(),
            rho: self.noise.rho,
            levels: self.sampling_levels(steps)?.map(|levels| levels.as_slice().to_vec()),
        })
    }

    /// How the trained model's output is put together: consistency models get the boundary form.
    pub fn preconditioning(&self) -> Preconditioning {
        match self.objective {
            Objective::Denoising { preconditioning, .. } | Objective::Continuous { preconditioning, .. } => {
                preconditioning
            }
            Objective::ProgressiveDistillation { .. } => Preconditioning::Edm,
            Objective::Consistency { .. } | Objective::Tuning { .. } => Preconditioning::Boundary,
        }
    }

    /// How the student's output is put together while it is trained: as afterwards, but for easy tuning.
    ///
    /// # Source
    ///
    /// `ECMPrecond` of locuslab/ect.
    pub fn training_preconditioning(&self) -> Preconditioning {
        match self.objective {
            Objective::Tuning { .. } => Preconditioning::Edm,
            _ => self.preconditioning(),
        }
    }

    /// The stage of progressive distillation that a step belongs to; none for other methods.
    pub fn stage(&self, step: u64) -> Option<HalvingStage> {
        match self.objective {
            Objective::ProgressiveDistillation { start_intervals, steps_per_stage, .. } => {
                Some(HalvingStage::at(start_intervals, steps_per_stage, step))
            }
            _ => None,
        }
    }

    /// Steps whose checkpoints are worth keeping for good: where a stage of progressive distillation has finished a model of
    /// few steps.
    pub fn milestones(&self) -> Vec<u64> {
        let mut ends = Vec::new();
        let mut stage = self.stage(0);
        while let Some(HalvingStage { first_step, n_steps, n_intervals, .. }) = stage {
            let end = first_step + n_steps;
            if n_intervals <= FEW_STEPS && end <= self.train.steps {
                ends.push(end);
            }
            stage = self.stage(end).filter(|_| n_intervals > 1 && end < self.train.steps);
        }
        ends
    }

    /// The learning rate of the update that follows `step` updates; in progressive distillation every stage has the
    /// whole schedule.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let batch = self.train.batch as u64;
        let (done, all) = match self.stage(step) {
            Some(stage) => (step - stage.first_step, stage.n_steps),
            None => (step, self.train.steps),
        };
        self.train.learning_rate.at(done * batch, all * batch)
    }

    /// The levels that the model trained for `steps` updates samples best with, where the recipe knows: those of
    /// [`Sampling`], or the grid that a student of progressive distillation was made for, down to σ_min.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if they are no levels.
    pub fn sampling_levels(&self, steps: u64) -> Result<Option<SamplingLevels>, LevelsError> {
        let Noise { sigma_min, sigma_max, rho, .. } = self.noise;
        match (self.stage(steps.saturating_sub(1)), &self.sampling) {
            (Some(stage), _) => {
                SamplingLevels::karras(stage.n_intervals + 1, sigma_min, sigma_max, rho).map(Some)
            }
            (None, Some(sampling)) => SamplingLevels::new(sampling.levels.clone()).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Value`] with the key and the remedy.
    pub fn check(&self) -> Result<(), RecipeError> {
        check::check(self)
    }
}
