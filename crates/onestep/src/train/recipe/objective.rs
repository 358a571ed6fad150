//! What a recipe minimizes, and the defaults of each method.

use serde::{Deserialize, Serialize};

use crate::model::Preconditioning;
use crate::noise::{Curriculum, Gap, Proposal, TargetRate};
use crate::objective::{Distance, RateWeighting, TangentNormalization, Weighting};
use crate::solver::Solver;

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
