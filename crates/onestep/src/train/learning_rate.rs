//! The learning rate over a run: a pure function of the images seen, so a resumed run needs no state for it.

use serde::{Deserialize, Serialize};

/// A learning rate with an optional linear warm-up and an optional decay to zero.
///
/// # Units
///
/// The clock is images, not steps: another batch size leaves the schedule where it was.
///
/// # Source
///
/// Warm-up: `training_loop.py` of NVlabs/edm, `lr_rampup_kimg`. EDM's own formula gives 0 for the very first
/// batch even without a warm-up (0/1e-8); here no warm-up means the full rate from the start.
/// Linear decay: `_anneal_lr` of openai/consistency_models.
///
/// # Examples
///
/// ```
/// use onestep::train::{Decay, LearningRate};
/// let rate = LearningRate { peak: 1e-3, warm_up_images: 10_000, decay: Decay::Linear };
/// assert_eq!(rate.at(5_000, 100_000), 0.5e-3 * 0.95);
/// assert_eq!(rate.at(100_000, 100_000), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningRate {
    /// The rate after warm-up and before decay.
    pub peak: f64,
    /// Images over which the rate grows linearly from zero; 0 for no warm-up.
    pub warm_up_images: u64,
    /// How the rate falls over the whole run.
    pub decay: Decay,
}

impl Default for LearningRate {
    /// That of consistency models on CIFAR-10.
    fn default() -> Self {
        Self::constant(4e-4)
    }
}

/// How a learning rate falls over the images of a run. Multiplies the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// It does not fall.
    #[default]
    Constant,
    /// In a straight line to zero.
    Linear,
    /// Along half a cosine to zero.
    Cosine,
}

impl LearningRate {
    /// A rate that never changes.
    pub fn constant(peak: f64) -> Self {
        Self { peak, warm_up_images: 0, decay: Decay::Constant }
    }

    /// The rate for the batch that follows `images_seen` images of a run of `total_images`.
    ///
    /// Beyond the end of the run a decayed rate stays zero.
    pub fn at(&self, images_seen: u64, total_images: u64) -> f64 {
        let warm_up = match self.warm_up_images {
            0 => 1.0,
            warm_up_images => (images_seen as f64 / warm_up_images as f64).min(1.0),
        };
        let progress = match total_images {
            0 => 1.0,
            total_images => (images_seen as f64 / total_images as f64).min(1.0),
        };
        let remaining = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        };
        self.peak * warm_up * remaining
    }
}
