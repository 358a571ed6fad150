//! Recipes: complete descriptions of training runs, read and written as TOML.
//!
//! A recipe is the run: nothing about it is decided by a flag elsewhere, by a default that differs between
//! commands, or by which files happen to lie around. Misspelt keys are refused.

use serde::{Deserialize, Serialize};

use super::{Augmentation, AverageConfig, LearningRate, OptimizerConfig, recipe_check};
use crate::data::DataSpec;
use crate::model::network::Architecture;
use crate::model::{NoiseRange, Precision, Preconditioning};
use crate::noise::{Curriculum, Gap, HalvingStage, LevelsError, Proposal, SamplingLevels, TargetRate};
use crate::objective::{Distance, RateWeighting, TangentNormalization, Weighting};
use crate::perceptual::WeightFiles;
use crate::solver::Solver;

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

/// What is minimized.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// The denoising loss: trains a diffusion model (EDM), the teacher.
    Denoising {
        /// Mean of ln σ of the training levels.
        p_mean: f64,
        /// Deviation of ln σ.
        p_std: f64,
        /// Weight of a level.
        #[serde(default = "karras")]
        weighting: Weighting,
        /// How the output is put together: EDM's form, or TrigFlow's.
        #[serde(default = "edm", skip_serializing_if = "is_edm")]
        preconditioning: Preconditioning,
    },
    /// The consistency loss: distillation (CD) or training in isolation (CT).
    Consistency {
        /// How the cleaner of the two points is found: this is what makes it CD or CT.
        path: PathConfig,
        /// Number of levels over the run.
        curriculum: Curriculum,
        /// Which pair of neighbors a sample is trained on.
        #[serde(default = "uniform")]
        proposal: Proposal,
        /// Distance between the two estimates.
        distance: Distance,
        /// Weight of a pair.
        #[serde(default)]
        weighting: Weighting,
        /// How the target follows the student.
        target: TargetRate,
    },
    /// The consistency loss at levels drawn freely, each with a partner at a gap that shrinks in stages: easy consistency
    /// tuning (ECT). The target is the student itself with gradients stopped; the student is trained in the form of a
    /// diffusion model, which a gap to the clean image ties down, and used in the consistency form.
    Tuning {
        /// Mean of ln σ of the training levels.
        p_mean: f64,
        /// Deviation of ln σ.
        p_std: f64,
        /// How far below a level its partner lies.
        gap: Gap,
        /// Images of one stage.
        images_per_stage: u64,
        /// Distance between the two estimates.
        distance: Distance,
        /// Weight of a pair.
        weighting: Weighting,
    },
    /// Two Euler steps of a teacher in one, and again with the student as teacher, until one step is left: progressive
    /// distillation (PD). Every stage begins with a new optimizer and goes through the learning rate's schedule.
    ProgressiveDistillation {
        /// Steps of the student of the first stage, a power of 2; its teacher takes twice as many.
        start_intervals: usize,
        /// Updates of a stage; the stages of 2 steps and of 1 take twice as many.
        steps_per_stage: u64,
        /// Distance between the two estimates.
        distance: Distance,
        /// Weight of a level.
        #[serde(default = "truncated_snr")]
        weighting: Weighting,
    },
    /// The continuous-time consistency loss: sCD, sCT, and the continuous-time CD and CT of 2023.
    Continuous {
        /// Where the path through a noisy point leads.
        path: DirectionConfig,
        /// TrigFlow's form, or that of an EDM model to start from.
        #[serde(default = "trig")]
        preconditioning: Preconditioning,
        /// Which levels are trained on: log-normal, or evenly spaced in σ^(1/ρ).
        proposal: Proposal,
        /// What the tangent is put through.
        #[serde(default)]
        normalization: TangentNormalization,
        /// Steps over which the unstable part of the tangent comes in; 0 for all of it from the start.
        #[serde(default)]
        warm_up_steps: u64,
        /// Weight of a level.
        #[serde(default)]
        weighting: RateWeighting,
        /// Whether a weighting of levels is learned along with the model.
        #[serde(default = "yes")]
        adaptive: bool,
    },
}

fn truncated_snr() -> Weighting {
    Weighting::TruncatedSnr
}

fn edm() -> Preconditioning {
    Preconditioning::Edm
}

fn is_edm(preconditioning: &Preconditioning) -> bool {
    *preconditioning == Preconditioning::Edm
}

fn trig() -> Preconditioning {
    Preconditioning::Trig
}

fn yes() -> bool {
    true
}

/// Where the path through a noisy point leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectionConfig {
    /// Along a diffusion model's ODE: distillation.
    Teacher,
    /// From the image towards its noise: no teacher is needed, or loaded.
    Data,
}

fn karras() -> Weighting {
    Weighting::Karras
}

fn uniform() -> Proposal {
    Proposal::Uniform
}

/// How the cleaner of the two points is found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PathConfig {
    /// A step of a diffusion model's ODE: distillation.
    Teacher {
        /// How the step is taken.
        #[serde(default)]
        solver: Solver,
    },
    /// The same noise on the same image: no teacher is needed, or loaded.
    Data,
}

/// What the weights start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Random, as the network's family initializes.
    Random,
    /// The teacher's weights.
    Teacher,
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Optimizer updates in all: the run ends there.
    pub steps: u64,
    /// Images in one update.
    pub batch: usize,
    /// Images at a time where memory is short; gradients are added up. Without it the whole batch at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microbatch: Option<usize>,
    /// Seed of everything random in the run.
    #[serde(default)]
    pub seed: u64,
    /// What the student starts from.
    pub start: Start,
    /// The model that distillation learns from, and that `start = "teacher"` copies: a file or a run folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Where the weights of the distance lie, for `lpips`.
    #[serde(default, skip_serializing_if = "WeightFiles::is_empty")]
    pub distance_files: WeightFiles,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the run.
    pub learning_rate: LearningRate,
    /// Largest norm of the gradient; larger ones are scaled down. Off unless given, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_gradient: Option<f64>,
    /// Averages of the weights, for sampling; the first is the one used.
    pub averages: Vec<AverageConfig>,
    /// Turn, stretch and move images at random, and tell the network (its `augment_dim` is 9 then).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augmentation>,
    /// Arithmetic of the network's products: "f32", or "bf16", which keeps weights, norms, losses and the optimizer in f32.
    #[serde(default, with = "PrecisionName", skip_serializing_if = "is_f32")]
    pub precision: Precision,
    /// Recompute cheap activations in the backward pass instead of keeping them.
    #[serde(default)]
    pub activation_checkpointing: bool,
    /// Steps between checkpoints.
    #[serde(default = "thousand")]
    pub checkpoint_every: u64,
    /// Checkpoints to keep.
    #[serde(default = "two")]
    pub keep: usize,
    /// Steps between previews; 0 for none.
    #[serde(default = "thousand")]
    pub preview_every: u64,
}

/// [`Precision`] by its names.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Precision", rename_all = "lowercase")]
enum PrecisionName {
    F32,
    Bf16,
}

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

fn thousand() -> u64 {
    1000
}

fn two() -> usize {
    2
}

/// A recipe that contradicts itself or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The text is not TOML, or has missing, misspelt or mistyped keys.
    #[error("the recipe cannot be read: {message}")]
    Parse {
        /// What the parser says, with the line.
        message: String,
    },
    /// `--set` names a place that does not exist or is not a table.
    #[error("`{setting}` cannot be set: {reason}")]
    Setting {
        /// The setting as given.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that makes no sense, alone or beside another.
    #[error("recipe: `{key}` {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with its value, and what would be right.
        reason: String,
    },
    /// No built-in recipe of this name.
    #[error("there is no built-in recipe `{name}`")]
    Unknown {
        /// The name given.
        name: String,
    },
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

    /// Whether a weighting of levels is learned along with the model.
    pub fn learns_weighting(&self) -> bool {
        matches!(self.objective, Objective::Continuous { adaptive: true, .. })
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
        recipe_check::check(self)
    }
}

fn parse_error(error: toml::de::Error) -> RecipeError {
    RecipeError::Parse { message: error.to_string().trim_end().to_string() }
}

/// Puts one `key.path=value` into the table; the value is TOML, or else a string.
fn apply_setting(table: &mut toml::Table, setting: &str) -> Result<(), RecipeError> {
    let fail = |reason: String| RecipeError::Setting { setting: setting.into(), reason };
    let (path, value) = setting.split_once('=').ok_or_else(|| fail("write it as `key.path=value`".into()))?;
    let (path, value) = (path.trim(), value.trim());
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or_else(|| fail("the key is empty".into()))?;
    let mut place = table;
    for key in keys {
        place = place
            .entry(key)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| fail(format!("`{key}` is a single value and holds no `{last}`")))?;
    }
    place.insert(last.into(), value);
    Ok(())
}
