//! The parts of a recipe that every method looks at: the range of noise, and how it is trained.

use serde::{Deserialize, Serialize};

use crate::checkpoint::AverageConfig;
use crate::model::{NoiseRange, Precision, PrecisionName};
use crate::perceptual::WeightFiles;
use crate::train::{Augmentation, LearningRate, OptimizerConfig};

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

/// What the weights start from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Random, as the network's family initializes.
    #[default]
    Random,
    /// The teacher's weights.
    Teacher,
}

/// A part of the network that may start at random though the rest starts from the teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renew {
    /// What the network knows of its classes: to go on with a model of other classes, of more or fewer, or of none.
    ClassEmbedding,
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Optimizer updates in all: the run ends there.
    pub steps: u64,
    /// Updates that the schedules span: the decay of the learning rate, the curriculum of levels. Without it all of the run;
    /// beyond it, a run goes on at the values of its last update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_steps: Option<u64>,
    /// Images in one update.
    pub batch: usize,
    /// Images at a time where memory is short; gradients are added up. Without it the whole batch at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microbatch: Option<usize>,
    /// Parts of equal size, a power of two, that a batch is cut into for several processes to share. Their gradients are added in one
    /// fixed tree: the same bits with one process, two, four, or as many as there are shards. Without it the batch is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// Seed of everything random in the run.
    #[serde(default)]
    pub seed: u64,
    /// What the student starts from.
    #[serde(default)]
    pub start: Start,
    /// The model that distillation learns from, and that `start = "teacher"` copies: a file or a run folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Parts of the network that start at random though the rest starts from the teacher.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renew: Vec<Renew>,
    /// Where the weights of the distance lie, for `lpips`.
    #[serde(default, skip_serializing_if = "WeightFiles::is_empty")]
    pub distance_files: WeightFiles,
    /// The optimizer; RAdam as consistency models were trained with, EDM had Adam.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// The learning rate over the run; that of consistency models on CIFAR-10 where none is given.
    #[serde(default)]
    pub learning_rate: LearningRate,
    /// Largest norm of the gradient; larger ones are scaled down. Off unless given, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_gradient: Option<f64>,
    /// Averages of the weights, for sampling; the first is the one used. Where none is given, EDM's, which fits runs of any
    /// length.
    #[serde(default = "edm_average")]
    pub averages: Vec<AverageConfig>,
    /// Turn, stretch and move images at random, and tell the network (its `augment_dim` is 9 then).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augmentation>,
    /// Arithmetic of the network's products: "f32", or "bf16", which keeps weights, norms, losses and the optimizer in f32.
    #[serde(default, with = "PrecisionName", skip_serializing_if = "is_f32")]
    pub precision: Precision,
    /// Share of the samples that are trained on without their class, so that the model can be guided; 0.1 is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_class: Option<f64>,
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

impl Train {
    /// Updates that the schedules span.
    pub fn schedule_length(&self) -> u64 {
        self.schedule_steps.unwrap_or(self.steps)
    }

    /// Parts that a batch is cut into.
    pub fn n_shards(&self) -> usize {
        self.shards.unwrap_or(1)
    }

    /// Images of one of them.
    pub fn shard_size(&self) -> usize {
        self.batch / self.n_shards()
    }

    /// Images that a gradient is computed of at a time.
    pub fn images_at_a_time(&self) -> usize {
        self.microbatch.map_or(self.shard_size(), |microbatch| microbatch.min(self.shard_size()))
    }

    /// Where the schedules are for the update that follows `step` updates.
    pub fn schedule_step(&self, step: u64) -> u64 {
        self.schedule_steps.map_or(step, |length| step.min(length.saturating_sub(1)))
    }
}

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

fn edm_average() -> Vec<AverageConfig> {
    vec![AverageConfig::HalfLife { half_life_images: 500_000.0, ramp_up_ratio: Some(0.05) }]
}

fn thousand() -> u64 {
    1000
}

fn two() -> usize {
    2
}
