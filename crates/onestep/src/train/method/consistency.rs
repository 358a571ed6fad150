//! The consistency loss on a grid of levels: distillation (CD), and training in isolation (CT, iCT).

use serde::{Deserialize, Serialize};

use super::{
    AskedTeacher, Given, Losses, Method, MethodSettings, MethodState, Moved, Networks, Place, Report,
    Student, Surroundings, checks, levels,
};
use crate::Result;
use crate::model::{GuidanceRange, ModelKind, Preconditioned, Preconditioning, Weights};
use crate::noise::{Curriculum, Proposal, TargetRate};
use crate::objective::{Batch, Consistency, Distance, Path, Weighting};
use crate::solver::Solver;
use crate::train::training::{Noise, Train};
use crate::train::{RecipeError, blend};

/// The settings of the consistency loss.
///
/// What is left out is that of improved consistency training (iCT), but for proposal and weighting, which are those of 2023.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the cleaner of the two points is found: this is what makes it CD or CT.
    pub path: PathConfig,
    /// Number of levels over the run; published distillation has a fixed 18 (CIFAR-10) or 40.
    pub curriculum: Curriculum,
    /// Which pair of neighbors a sample is trained on.
    pub proposal: Proposal,
    /// Distance between the two estimates.
    pub distance: Distance,
    /// Weight of a pair.
    pub weighting: Weighting,
    /// How the target follows the student.
    pub target: TargetRate,
    /// Guides the teacher towards each sample's class, at a scale drawn evenly from `low` to `high`, which the student is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<GuidanceRange>,
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: PathConfig::Data,
            curriculum: Curriculum::Doubling { start_intervals: 10, end_intervals: 1280 },
            proposal: Proposal::Uniform,
            distance: Distance::PseudoHuber { huber_c: None },
            weighting: Weighting::default(),
            target: TargetRate::Fixed { rate: 0.0 },
            guidance: None,
        }
    }
}

impl MethodSettings for Settings {
    fn name(&self) -> &'static str {
        match (self.path, self.curriculum) {
            (PathConfig::Teacher { .. }, _) => "cd",
            (PathConfig::Data, Curriculum::Doubling { .. }) => "ict",
            (PathConfig::Data, _) => "ct",
        }
    }

    fn kind(&self) -> ModelKind {
        ModelKind::Consistency
    }

    fn preconditioning(&self) -> Preconditioning {
        Preconditioning::Boundary
    }

    fn distills(&self) -> bool {
        matches!(self.path, PathConfig::Teacher { .. })
    }

    fn guidance(&self) -> Option<GuidanceRange> {
        self.guidance
    }

    fn distance(&self) -> Option<&Distance> {
        Some(&self.distance)
    }

    fn check(&self, around: &Surroundings<'_>) -> Result<(), RecipeError> {
        check_curriculum(self.curriculum)?;
        let rate = match self.target {
            TargetRate::Fixed { rate } => rate,
            TargetRate::Adaptive { initial_rate, .. } => initial_rate,
        };
        if !(0.0..1.0).contains(&rate) {
            return checks::bad("objective.target", format!("needs a rate from 0 to below 1, not {rate}"));
        }
        checks::distance(&self.distance, around)
    }

    fn n_levels(&self, step: u64, steps: u64) -> Option<usize> {
        Some(self.curriculum.n_levels(step, steps))
    }

    fn levels_follow_length(&self) -> bool {
        matches!(self.curriculum, Curriculum::Progressive { .. } | Curriculum::Doubling { .. })
    }

    fn networks(&self) -> Networks {
        Networks { saved: u64::from(!self.target.is_student()), unsaved: u64::from(self.distills()) }
    }

    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>> {
        let teacher = match self.path {
            PathConfig::Teacher { solver } => Some((given.guided_teacher(self.guidance)?, solver)),
            PathConfig::Data => None,
        };
        Ok(Box::new(Running {
            teacher,
            target: (!self.target.is_student()).then(|| given.student.weights().clone()),
            loss: Consistency {
                distance: given.distance(&self.distance)?,
                weighting: self.weighting,
                sigma_data: given.noise.sigma_data,
            },
            noise: *given.noise,
            train: given.train.clone(),
            settings: self.clone(),
        }))
    }
}

fn check_curriculum(curriculum: Curriculum) -> Result<(), RecipeError> {
    match curriculum {
        Curriculum::Fixed { n_levels } if n_levels < 2 => {
            checks::bad("objective.curriculum.n_levels", "must be at least 2: one level bounds no interval")
        }
        Curriculum::Progressive { start_intervals, end_intervals }
        | Curriculum::Doubling { start_intervals, end_intervals }
            if start_intervals == 0 || end_intervals < start_intervals =>
        {
            checks::bad(
                "objective.curriculum",
                format!("must grow from at least 1 interval, not from {start_intervals} to {end_intervals}"),
            )
        }
        Curriculum::Halving { .. } => {
            checks::bad("objective.curriculum", "`halving` belongs to progressive distillation")
        }
        _ => Ok(()),
    }
}

struct Running {
    /// None where the data themselves are the path.
    teacher: Option<(AskedTeacher, Solver)>,
    /// None where the target is the student itself (μ = 0).
    target: Option<Weights>,
    loss: Consistency,
    noise: Noise,
    train: Train,
    settings: Settings,
}

impl Running {
    fn n_levels(&self, step: u64) -> usize {
        self.settings.curriculum.n_levels(self.train.schedule_step(step), self.train.schedule_length())
    }

    fn target_rate(&self, step: u64) -> f64 {
        let (step, steps) = (self.train.schedule_step(step), self.train.schedule_length());
        self.settings.target.rate(&self.settings.curriculum, step, steps)
    }
}

impl Method for Running {
    fn loss(&self, student: &Student<'_>, batch: &Batch, place: &Place) -> Result<Losses> {
        let n_levels = self.n_levels(place.step);
        let pairs = levels::neighbors(&self.noise, n_levels, self.settings.proposal, place)?;
        let target = match &self.target {
            Some(weights) => &student.detached.with_weights(weights.clone()),
            None => student.detached,
        };
        let path = match &self.teacher {
            Some((teacher, solver)) => Path::Teacher { teacher, solver: *solver },
            None => Path::Data,
        };
        let values = self.loss.loss(student.tracked, target, path, batch, &pairs)?;
        Ok(Losses::of(values, pairs.high))
    }

    fn after_update(&mut self, moved: &Moved<'_>) {
        let rate = self.target_rate(moved.place.step);
        if let Some(target) = &mut self.target {
            *target = blend(target, moved.weights, rate);
        }
    }

    fn report(&self, place: &Place) -> Report {
        Report {
            n_levels: Some(self.n_levels(place.step)),
            target_rate: Some(self.target_rate(place.step)),
            stage: None,
        }
    }

    fn state(&self, _: u64) -> MethodState {
        MethodState { target: self.target.clone(), ..MethodState::default() }
    }

    fn restore(&mut self, state: MethodState, _: &Preconditioned) {
        self.target = state.target;
    }
}
