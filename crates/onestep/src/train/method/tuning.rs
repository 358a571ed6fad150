//! Easy consistency tuning (ECT): the consistency loss at levels drawn freely, each with a partner at a gap that shrinks in
//! stages.

use serde::{Deserialize, Serialize};

use super::{Given, Losses, Method, MethodSettings, Place, Report, Student, Surroundings, checks, levels};
use crate::Result;
use crate::model::{ModelKind, Preconditioning};
use crate::noise::Gap;
use crate::objective::{Batch, Consistency, Distance, LevelPairs, Path, Weighting};
use crate::train::RecipeError;

/// The smallest gap of a pair, relative to its level, at which two estimates in f32 still differ by more than rounding.
const SMALLEST_GAP: f64 = 1e-6;

/// The settings of easy consistency tuning.
///
/// The target is the student itself with gradients stopped; the student is trained in the form of a diffusion model, which a
/// gap to the clean image ties down, and used in the consistency form. What is left out is that of the published run on
/// CIFAR-10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Mean of ln σ of the training levels.
    pub p_mean: f64,
    /// Deviation of ln σ.
    pub p_std: f64,
    /// How far below a level its partner lies.
    pub gap: Gap,
    /// Images of one stage.
    pub images_per_stage: u64,
    /// Distance between the two estimates.
    pub distance: Distance,
    /// Weight of a pair.
    pub weighting: Weighting,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            p_mean: -1.1,
            p_std: 2.0,
            gap: Gap::Sigmoid { shrink: 2.0, k: 8.0, b: 1.0 },
            images_per_stage: 3_200_000,
            distance: Distance::PseudoHuber { huber_c: Some(0.0) },
            weighting: Weighting::InverseGap,
        }
    }
}

impl Settings {
    /// The stage that sample `number` of a run belongs to: a function of the images seen alone.
    fn stage(&self, number: u64) -> u32 {
        (number / self.images_per_stage.max(1)).min(1000) as u32
    }

    /// The levels that the samples of these numbers are trained at.
    ///
    /// # Randomness
    ///
    /// A function of `seed` and each sample's number, however the run is cut into batches.
    pub fn levels(&self, seed: u64, samples: std::ops::Range<u64>) -> LevelPairs {
        let place = Place { seed, step: 0, samples: samples.clone() };
        let high = levels::log_normal(self.p_mean, self.p_std, &place);
        let partner = |(number, &sigma): (u64, &f64)| self.gap.partner(sigma, self.stage(number));
        LevelPairs { low: samples.zip(&high).map(partner).collect(), high }
    }
}

impl MethodSettings for Settings {
    fn name(&self) -> &'static str {
        "ect"
    }

    fn kind(&self) -> ModelKind {
        ModelKind::Consistency
    }

    fn preconditioning(&self) -> Preconditioning {
        Preconditioning::Boundary
    }

    /// # Source
    ///
    /// `ECMPrecond` of locuslab/ect.
    fn training_preconditioning(&self) -> Preconditioning {
        Preconditioning::Edm
    }

    fn distance(&self) -> Option<&Distance> {
        Some(&self.distance)
    }

    fn check(&self, around: &Surroundings<'_>) -> Result<(), RecipeError> {
        checks::log_normal(["objective.p_mean", "objective.p_std"], self.p_mean, self.p_std)?;
        checks::distance(&self.distance, around)?;
        self.check_gap(around.train.steps * around.train.batch as u64)
    }

    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Running {
            loss: Consistency {
                distance: given.distance(&self.distance)?,
                weighting: self.weighting,
                sigma_data: given.noise.sigma_data,
            },
            settings: self.clone(),
        }))
    }
}

impl Settings {
    fn check_gap(&self, n_images: u64) -> Result<(), RecipeError> {
        let shrink = match self.gap {
            Gap::Constant { shrink } => shrink,
            Gap::Sigmoid { shrink, k, b } => {
                if !(k >= 0.0 && k.is_finite() && b.is_finite()) {
                    return checks::bad(
                        "objective.gap",
                        format!("needs k of at least 0 and a finite b, not {k} and {b}"),
                    );
                }
                shrink
            }
        };
        if !(shrink > 1.0 && shrink.is_finite()) {
            return checks::bad("objective.gap.shrink", format!("must be a number above 1, not {shrink}"));
        }
        if self.images_per_stage == 0 {
            return checks::bad("objective.images_per_stage", "must be at least 1");
        }
        let n_stages = n_images.div_ceil(self.images_per_stage);
        if n_stages as f64 * shrink.ln() > -SMALLEST_GAP.ln() {
            return checks::bad(
                "objective.images_per_stage",
                format!(
                    "makes {n_stages} stages of this run, and the gap, {shrink} times smaller each, less than rounding: \
                     give a stage more images"
                ),
            );
        }
        Ok(())
    }
}

struct Running {
    loss: Consistency,
    settings: Settings,
}

impl Method for Running {
    fn loss(&self, student: &Student<'_>, batch: &Batch, place: &Place) -> Result<Losses> {
        let pairs = self.settings.levels(place.seed, place.samples.clone());
        let values = self.loss.loss(student.tracked, student.detached, Path::Data, batch, &pairs)?;
        Ok(Losses::of(values, pairs.high))
    }

    fn report(&self, place: &Place) -> Report {
        Report { stage: Some(self.settings.stage(place.samples.start).into()), ..Report::default() }
    }
}
