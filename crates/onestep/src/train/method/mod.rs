//! Training methods, one file each: settings, what they must not say, levels, loss, what is kept, and what is reported.
//!
//! 1. An [`Objective`] is what a recipe says: the settings of one method.
//! 2. Its settings answer what the rest of a run asks before it begins: the form of the model, whether a teacher is needed,
//!    how much memory, which checkpoints stay.
//! 3. From settings, teacher and distance they build the running method once: levels in, losses out, and whatever has to move
//!    after an update. What a method cannot do without is inside of it, or it is not built.
//!
//! To add a method: its file here, and one variant and one arm in [`Objective`].

mod checks;
pub mod consistency;
pub mod continuous;
pub mod denoising;
mod guidance;
mod learned_weighting;
mod levels;
pub mod mid_training;
pub mod progressive;
mod running;
mod settings;
pub mod tuning;

use serde::{Deserialize, Serialize};

pub(super) use checks::{bad, positive};
pub(super) use guidance::{AskedTeacher, check as check_guidance};
pub use learned_weighting::LearnedWeighting;
pub use running::MethodState;
pub(super) use running::{Losses, Method, Moved, Place, Report, Student};
pub(super) use settings::{Given, MethodSettings, Networks, OTHER_CODE, Surroundings};

/// What is minimized.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Objective {
    /// The denoising loss: trains a diffusion model (EDM), the teacher.
    Denoising(denoising::Settings),
    /// The consistency loss: distillation (CD) or training in isolation (CT, iCT).
    Consistency(consistency::Settings),
    /// The consistency loss at levels drawn freely: easy consistency tuning (ECT).
    Tuning(tuning::Settings),
    /// Every point of a teacher's path onto its end: consistency mid-training (CMT).
    MidTraining(mid_training::Settings),
    /// Two Euler steps of a teacher in one, and again with the student as teacher: progressive distillation (PD).
    ProgressiveDistillation(progressive::Settings),
    /// The continuous-time consistency loss: sCD, sCT, and the continuous-time CD and CT of 2023.
    Continuous(continuous::Settings),
}

impl Objective {
    /// The settings of whichever method it is: the only place that tells the methods apart.
    pub(super) fn settings(&self) -> &dyn MethodSettings {
        match self {
            Self::Denoising(settings) => settings,
            Self::Consistency(settings) => settings,
            Self::Tuning(settings) => settings,
            Self::MidTraining(settings) => settings,
            Self::ProgressiveDistillation(settings) => settings,
            Self::Continuous(settings) => settings,
        }
    }
}
