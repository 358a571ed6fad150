//! The continuous-time consistency loss: sCD and sCT, and the continuous-time CD and CT of 2023.

use serde::{Deserialize, Serialize};

use super::{
    AskedTeacher, Given, LearnedWeighting, Losses, Method, MethodSettings, MethodState, Moved, OTHER_CODE,
    Place, Student, Surroundings, checks, levels,
};
use crate::Result;
use crate::model::{GuidanceRange, ModelKind, Preconditioned, Preconditioning};
use crate::noise::{Proposal, karras_level};
use crate::objective::{Batch, Continuous, Direction, LevelWeighting, RateWeighting, TangentNormalization};
use crate::train::RecipeError;
use crate::train::training::Noise;

/// The settings of the continuous-time consistency loss.
///
/// What is left out is that of sCT on CIFAR-10, without its warm-up of 10,000 steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the path through a noisy point leads.
    pub path: DirectionConfig,
    /// TrigFlow's form, or that of an EDM model to start from.
    pub preconditioning: Preconditioning,
    /// Which levels are trained on: log-normal, or evenly spaced in σ^(1/ρ).
    pub proposal: Proposal,
    /// What the tangent is put through.
    pub normalization: TangentNormalization,
    /// Steps over which the unstable part of the tangent comes in; 0 for all of it from the start.
    pub warm_up_steps: u64,
    /// Weight of a level.
    pub weighting: RateWeighting,
    /// Whether a weighting of levels is learned along with the model.
    pub adaptive: bool,
    /// Guides the teacher towards each sample's class, at a scale drawn evenly from `low` to `high`, which the student is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<GuidanceRange>,
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: DirectionConfig::Data,
            preconditioning: Preconditioning::Trig,
            proposal: Proposal::LogNormal { p_mean: -1.0, p_std: 1.4 },
            normalization: TangentNormalization::default(),
            warm_up_steps: 0,
            weighting: RateWeighting::default(),
            adaptive: true,
            guidance: None,
        }
    }
}

impl Settings {
    /// What the weighting that is learned along with the model starts from, for images of so many values; none where none is
    /// learned.
    pub fn first_weighting(&self, n_values: usize) -> Option<f64> {
        self.adaptive.then(|| self.normalization.first_weighting(n_values))
    }
}

impl MethodSettings for Settings {
    fn name(&self) -> &'static str {
        match (self.path, self.weighting) {
            (DirectionConfig::Teacher, RateWeighting::Prior) => "scd",
            (DirectionConfig::Data, RateWeighting::Prior) => "sct",
            (DirectionConfig::Teacher, RateWeighting::Sigma) => "cd-continuous",
            (DirectionConfig::Data, RateWeighting::Sigma) => "ct-continuous",
        }
    }

    fn kind(&self) -> ModelKind {
        ModelKind::Consistency
    }

    fn preconditioning(&self) -> Preconditioning {
        self.preconditioning
    }

    fn distills(&self) -> bool {
        self.path == DirectionConfig::Teacher
    }

    fn guidance(&self) -> Option<GuidanceRange> {
        self.guidance
    }

    fn check(&self, _: &Surroundings<'_>) -> Result<(), RecipeError> {
        if !matches!(self.preconditioning, Preconditioning::Trig | Preconditioning::TrigEdm) {
            return checks::bad(
                "objective.preconditioning",
                "of a continuous-time model is \"trig\", or \"trig-edm\" to start from an EDM model",
            );
        }
        if let Proposal::LogNormal { p_mean, p_std } = self.proposal {
            checks::log_normal(["objective.proposal.p_mean", "objective.proposal.p_std"], p_mean, p_std)?;
        }
        match self.normalization {
            TangentNormalization::Norm { c } => checks::positive("objective.normalization.c", c),
            _ => Ok(()),
        }
    }

    fn start_refused(&self, teacher: Preconditioning) -> Option<&'static str> {
        match teacher {
            _ if teacher.continues_as(self.preconditioning) => None,
            Preconditioning::Trig => Some(
                "it is told the angle, and a student that starts from it must be too: set objective.preconditioning to \"trig\"",
            ),
            _ if !teacher.tells_quarter_logarithm() => Some(OTHER_CODE),
            _ => Some(
                "it is told ln(σ)/4, and a student that starts from it must be too: set objective.preconditioning to \"trig-edm\"",
            ),
        }
    }

    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>> {
        let n_values = given.student.network().image().iter().product();
        let first = self.first_weighting(n_values);
        Ok(Box::new(Running {
            teacher: if self.distills() { Some(given.guided_teacher(self.guidance)?) } else { None },
            weighting: first.map(|first| {
                LearnedWeighting::new(first, given.train.optimizer, given.train.seed, given.device)
            }),
            loss: Continuous {
                normalization: self.normalization,
                weighting: self.weighting,
                sigma_data: given.noise.sigma_data,
            },
            noise: *given.noise,
            settings: self.clone(),
        }))
    }
}

struct Running {
    /// None where the data themselves are the path.
    teacher: Option<AskedTeacher>,
    /// None where none is learned.
    weighting: Option<LearnedWeighting>,
    loss: Continuous,
    noise: Noise,
    settings: Settings,
}

impl Running {
    fn levels(&self, place: &Place) -> Vec<f64> {
        let Noise { sigma_min, sigma_max, rho, .. } = self.noise;
        match self.settings.proposal {
            Proposal::LogNormal { p_mean, p_std } => levels::log_normal(p_mean, p_std, place),
            Proposal::Uniform => place
                .level_streams()
                .map(|mut stream| karras_level(stream.uniform(), sigma_min, sigma_max, rho))
                .collect(),
        }
    }

    /// The share of the unstable part of the tangent that has come in.
    fn ramp(&self, step: u64) -> f64 {
        match self.settings.warm_up_steps {
            0 => 1.0,
            steps => (step as f64 / steps as f64).min(1.0),
        }
    }
}

impl Method for Running {
    fn loss(&self, student: &Student<'_>, batch: &Batch, place: &Place) -> Result<Losses> {
        let sigma = self.levels(place);
        let direction = match &self.teacher {
            Some(teacher) => Direction::Teacher(teacher),
            None => Direction::Data,
        };
        let network = LevelWeighting::new();
        let learned = self.weighting.as_ref().map(|weighting| weighting.weights.tracked());
        let adaptive = learned.as_ref().map(|weights| (&network, weights));
        let ramp = self.ramp(place.step);
        let values = self.loss.loss(student.tracked, direction, batch, &sigma, ramp, adaptive)?;
        Ok(Losses { values, sigma, companion: learned })
    }

    fn after_update(&mut self, moved: &Moved<'_>) {
        if let Some(weighting) = &mut self.weighting {
            weighting.update(moved.companion_gradients, moved.learning_rate);
        }
    }

    fn state(&self, _: u64) -> MethodState {
        MethodState { weighting: self.weighting.clone(), ..MethodState::default() }
    }

    fn restore(&mut self, state: MethodState, _: &Preconditioned) {
        self.weighting = state.weighting;
    }
}
