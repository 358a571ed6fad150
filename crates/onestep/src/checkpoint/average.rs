//! How an average of weights follows them, and what its file is called.

use serde::{Deserialize, Serialize};

/// How slowly an average follows.
///
/// In a recipe: `{ rate = 0.9999 }`, `{ half_life_images = 500000, ramp_up_ratio = 0.05 }` or
/// `{ relative_std = 0.1 }`.
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
    /// A power function of training time: whatever the length of the run, it looks back over the same part of it.
    Power {
        /// Standard deviation of the weights' profile in time, relative to the whole run so far: 0.05 to 0.25.
        relative_std: f64,
    },
}

/// The largest relative deviation of a power-function average, that of a plain mean: √(1/12).
const LARGEST_RELATIVE_STD: f64 = 0.288_675_134_594_812_9;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relative_std: Option<f64>,
}

/// An average that cannot be what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AverageError {
    /// None or several of the ways were given.
    #[error("an average needs one of `rate`, `half_life_images` and `relative_std`, and only one of them")]
    NeedsOneWay,
    /// A ramp-up without a half-life.
    #[error("`ramp_up_ratio` belongs to `half_life_images`; other averages have no ramp-up")]
    RampUpWithoutHalfLife,
    /// A rate outside [0, 1).
    #[error("the rate of an average must be at least 0 and below 1, got {rate}")]
    BadRate {
        /// The rate given.
        rate: f64,
    },
    /// A relative deviation that no power function has.
    #[error("`relative_std` of an average must be above 0 and below 0.2886, got {relative_std}")]
    BadRelativeStd {
        /// The deviation given.
        relative_std: f64,
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
        let AverageFields { rate, half_life_images, ramp_up_ratio, relative_std } = fields;
        if half_life_images.is_none() && ramp_up_ratio.is_some() && (rate.is_some() || relative_std.is_some())
        {
            return Err(AverageError::RampUpWithoutHalfLife);
        }
        match (rate, half_life_images, relative_std) {
            (Some(rate), None, None) if (0.0..1.0).contains(&rate) => Ok(Self::Rate { rate }),
            (Some(rate), None, None) => Err(AverageError::BadRate { rate }),
            (None, Some(images), None) => Ok(Self::HalfLife {
                half_life_images: positive("half_life_images", images)?,
                ramp_up_ratio: ramp_up_ratio.map(|ratio| positive("ramp_up_ratio", ratio)).transpose()?,
            }),
            (None, None, Some(relative_std)) if 0.0 < relative_std && relative_std < LARGEST_RELATIVE_STD => {
                Ok(Self::Power { relative_std })
            }
            (None, None, Some(relative_std)) => Err(AverageError::BadRelativeStd { relative_std }),
            _ => Err(AverageError::NeedsOneWay),
        }
    }
}

impl From<AverageConfig> for AverageFields {
    fn from(config: AverageConfig) -> Self {
        let none = Self { rate: None, half_life_images: None, ramp_up_ratio: None, relative_std: None };
        match config {
            AverageConfig::Rate { rate } => Self { rate: Some(rate), ..none },
            AverageConfig::HalfLife { half_life_images, ramp_up_ratio } => {
                Self { half_life_images: Some(half_life_images), ramp_up_ratio, ..none }
            }
            AverageConfig::Power { relative_std } => Self { relative_std: Some(relative_std), ..none },
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
    /// h = min(half-life, images_seen · ratio). Power function: Karras et al. 2024 (arXiv:2312.02696), section 3.1,
    /// (1 - batch/t)^(γ + 1) with t the images seen after the batch.
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
            Self::Power { relative_std } => {
                let seen_after = (images_seen + batch).max(1);
                (images_seen as f64 / seen_after as f64).powf(power_of(relative_std) + 1.0)
            }
        }
    }

    /// The average's name in file names and on the command line: `ema-0.9999`, `ema-half-life-500000`, with a ramp-up
    /// `ema-half-life-500000-ramp-up-0.05`, by a power function `ema-power-0.1`.
    pub fn label(&self) -> String {
        match self {
            Self::Rate { rate } => format!("ema-{rate}"),
            Self::HalfLife { half_life_images, ramp_up_ratio: None } => {
                format!("ema-half-life-{half_life_images}")
            }
            Self::HalfLife { half_life_images, ramp_up_ratio: Some(ratio) } => {
                format!("ema-half-life-{half_life_images}-ramp-up-{ratio}")
            }
            Self::Power { relative_std } => format!("ema-power-{relative_std}"),
        }
    }
}

/// The exponent γ whose profile t^γ on [0, 1] has the deviation `relative_std`.
///
/// # Source
///
/// Karras et al. 2024 (arXiv:2312.02696), eq. 123: σ² = (γ + 1)/((γ + 2)²(γ + 3)), which falls from 1/12 at γ = 0.
fn power_of(relative_std: f64) -> f64 {
    let variance = |power: f64| (power + 1.0) / ((power + 2.0).powi(2) * (power + 3.0));
    let wanted = relative_std * relative_std;
    // For a large power the deviation is about 1/power.
    let (mut low, mut high) = (0.0, 2.0 / relative_std);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if variance(middle) > wanted { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
