//! Averages: copies of the weights that follow them slowly. Averages are what one samples from.

use serde::{Deserialize, Serialize};

use onestep_kernels::ema_update;

use crate::model::Weights;

/// How slowly an average follows.
///
/// In a recipe: `{ rate = 0.9999 }` or `{ half_life_images = 500000, ramp_up_ratio = 0.05 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AverageFields", into = "AverageFields")]
pub enum AverageConfig {
    /// The published form, average ← rate · average + (1 − rate) · weights, whatever the batch size.
    Rate {
        /// Share of the average that stays at each update, from 0 to below 1.
        rate: f64,
    },
    /// EDM's form: after this many images the share of the old average is one half.
    HalfLife {
        /// Half-life in images.
        half_life_images: f64,
        /// If given, the half-life is at most this fraction of the images seen, so that early weights are forgotten.
        ramp_up_ratio: Option<f64>,
    },
}

/// What a recipe or a file says about an average, before it is known to make sense.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AverageFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    half_life_images: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ramp_up_ratio: Option<f64>,
}

/// An average that cannot be what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AverageError {
    /// Neither or both of the two ways were given.
    #[error("an average needs either `rate` or `half_life_images`, and only one of them")]
    NeedsOneWay,
    /// A ramp-up without a half-life.
    #[error("`ramp_up_ratio` belongs to `half_life_images`; an average by `rate` has no ramp-up")]
    RampUpWithoutHalfLife,
    /// A rate outside [0, 1).
    #[error("the rate of an average must be at least 0 and below 1, got {rate}")]
    BadRate {
        /// The rate given.
        rate: f64,
    },
    /// A half-life or a ramp-up ratio that is not a positive number.
    #[error("`{field}` of an average must be positive, got {value}")]
    NotPositive {
        /// Which number.
        field: &'static str,
        /// Its value.
        value: f64,
    },
}

impl TryFrom<AverageFields> for AverageConfig {
    type Error = AverageError;

    fn try_from(fields: AverageFields) -> Result<Self, AverageError> {
        let positive = |field, value: f64| {
            if 0.0 < value && value.is_finite() {
                Ok(value)
            } else {
                Err(AverageError::NotPositive { field, value })
            }
        };
        match (fields.rate, fields.half_life_images, fields.ramp_up_ratio) {
            (Some(_), None, Some(_)) => Err(AverageError::RampUpWithoutHalfLife),
            (Some(rate), None, None) if (0.0..1.0).contains(&rate) => Ok(Self::Rate { rate }),
            (Some(rate), None, None) => Err(AverageError::BadRate { rate }),
            (None, Some(images), ratio) => Ok(Self::HalfLife {
                half_life_images: positive("half_life_images", images)?,
                ramp_up_ratio: ratio.map(|ratio| positive("ramp_up_ratio", ratio)).transpose()?,
            }),
            _ => Err(AverageError::NeedsOneWay),
        }
    }
}

impl From<AverageConfig> for AverageFields {
    fn from(config: AverageConfig) -> Self {
        match config {
            AverageConfig::Rate { rate } => {
                Self { rate: Some(rate), half_life_images: None, ramp_up_ratio: None }
            }
            AverageConfig::HalfLife { half_life_images, ramp_up_ratio } => {
                Self { rate: None, half_life_images: Some(half_life_images), ramp_up_ratio }
            }
        }
    }
}

impl AverageConfig {
    /// The share of the average that stays at the update after a batch.
    ///
    /// # Units
    ///
    /// `images_seen` counts images before the batch, `batch` the images of the batch.
    ///
    /// # Source
    ///
    /// `training_loop.py` of NVlabs/edm, `ema_halflife_kimg` and `ema_rampup_ratio`: 0.5^(batch/max(h, 1e-8)) with
    /// h = min(half-life, images_seen · ratio).
    pub fn rate_at(&self, images_seen: u64, batch: u64) -> f64 {
        match *self {
            Self::Rate { rate } => rate,
            Self::HalfLife { half_life_images, ramp_up_ratio } => {
                let half_life = match ramp_up_ratio {
                    Some(ratio) => half_life_images.min(images_seen as f64 * ratio),
                    None => half_life_images,
                };
                // The floor keeps the first update, where nothing has been seen, at a rate of exactly zero.
                0.5f64.powf(batch as f64 / half_life.max(1e-8))
            }
        }
    }

    /// The average's name in file names and on the command line: `ema-0.9999`, `ema-half-life-500000`, with a ramp-up
    /// `ema-half-life-500000-ramp-up-0.05`.
    pub fn label(&self) -> String {
        match self {
            Self::Rate { rate } => format!("ema-{rate}"),
            Self::HalfLife { half_life_images, ramp_up_ratio: None } => {
                format!("ema-half-life-{half_life_images}")
            }
            Self::HalfLife { half_life_images, ramp_up_ratio: Some(ratio) } => {
                format!("ema-half-life-{half_life_images}-ramp-up-{ratio}")
            }
        }
    }
}

/// One average of a run.
#[derive(Debug, Clone)]
pub struct Average {
    /// How slowly it follows.
    pub config: AverageConfig,
    /// Where it is.
    pub weights: Weights,
}

impl Average {
    /// An average that starts as a copy of `source`.
    pub fn new(config: AverageConfig, source: &Weights) -> Self {
        Self { config, weights: source.clone() }
    }

    /// Moves the average towards `source`, the weights after the batch that followed `images_seen` images.
    ///
    /// Numbers that are not trained are copied, not averaged: rounding would make them drift.
    ///
    /// # Panics
    ///
    /// If `source` belongs to another network.
    pub fn update(&mut self, source: &Weights, images_seen: u64, batch: u64) {
        let rate = self.config.rate_at(images_seen, batch);
        self.weights = blend(&self.weights, source, rate);
    }
}

/// rate · average + (1 − rate) · source for every trained parameter; the others are those of `source`.
///
/// Also the update of a consistency target, whose rate is a [curriculum](crate::noise) rather than a constant.
///
/// # Panics
///
/// If the two belong to different networks.
pub fn blend(average: &Weights, source: &Weights, rate: f64) -> Weights {
    assert_eq!(average.values().len(), source.values().len(), "average and source of the same network");
    let values = average
        .values()
        .iter()
        .zip(source.iter())
        .map(|(average, (spec, source))| {
            let source = source.clone().inner();
            if spec.trainable { ema_update(average.clone().inner(), source, rate) } else { source }
        })
        .collect();
    Weights::from_values(source.specs(), values)
}
