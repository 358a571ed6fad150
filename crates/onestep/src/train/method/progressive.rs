//! Progressive distillation (PD): two Euler steps of a teacher in one, and again with the student as teacher, until one step is
//! left.

use serde::{Deserialize, Serialize};

use super::{
    AskedTeacher, Given, Losses, Method, MethodSettings, MethodState, Networks, Place, Report, Student,
    Surroundings, checks, levels,
};
use crate::Result;
use crate::model::{GuidanceRange, ModelKind, Preconditioned, Preconditioning};
use crate::noise::{HalvingStage, LevelsError, Proposal, SamplingLevels};
use crate::objective::{Batch, Distance, ProgressiveDistillation, Weighting};
use crate::train::RecipeError;
use crate::train::training::{Noise, Start};

/// Students that sample in so many steps or fewer are what the method is for.
const FEW_STEPS: usize = 8;

/// The settings of progressive distillation.
///
/// Every stage begins with a new optimizer and goes through the learning rate's schedule. What is left out is that of the run
/// on CIFAR-10 that consistency models were compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Steps of the student of the first stage, a power of 2; its teacher takes twice as many.
    pub start_intervals: usize,
    /// Updates of a stage; the stages of 2 steps and of 1 take twice as many.
    pub steps_per_stage: u64,
    /// Distance between the two estimates.
    pub distance: Distance,
    /// Weight of a level.
    pub weighting: Weighting,
    /// Guides the teacher of the first stage towards each sample's class, at a scale drawn evenly from `low` to `high`, which the
    /// students are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<GuidanceRange>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start_intervals: 4096,
            steps_per_stage: 50_000,
            distance: Distance::L2,
            weighting: Weighting::TruncatedSnr,
            guidance: None,
        }
    }
}

impl Settings {
    /// The stage that follows `step` updates.
    pub fn stage(&self, step: u64) -> HalvingStage {
        HalvingStage::at(self.start_intervals, self.steps_per_stage, step)
    }

    /// The stage whose student a model is after `step` updates: at its end it is still the finished one.
    fn stage_made(&self, step: u64) -> HalvingStage {
        self.stage(step.saturating_sub(1))
    }
}

impl MethodSettings for Settings {
    fn name(&self) -> &'static str {
        "pd"
    }

    fn kind(&self) -> ModelKind {
        ModelKind::Progressive
    }

    fn preconditioning(&self) -> Preconditioning {
        Preconditioning::Edm
    }

    fn distills(&self) -> bool {
        true
    }

    fn guidance(&self) -> Option<GuidanceRange> {
        self.guidance
    }

    fn distance(&self) -> Option<&Distance> {
        Some(&self.distance)
    }

    fn check(&self, around: &Surroundings<'_>) -> Result<(), RecipeError> {
        checks::distance(&self.distance, around)?;
        checks::weighs_single_levels(self.weighting)?;
        if around.train.start != Start::Teacher {
            return checks::bad(
                "train.start",
                "must be \"teacher\": progressive distillation begins with a copy of it",
            );
        }
        let Self { start_intervals, steps_per_stage, .. } = *self;
        if start_intervals < 2 || !start_intervals.is_power_of_two() {
            return checks::bad(
                "objective.start_intervals",
                format!("must be a power of 2 from 2 on, to be halved down to 1, not {start_intervals}"),
            );
        }
        if steps_per_stage == 0 {
            return checks::bad("objective.steps_per_stage", "must be at least 1");
        }
        let total = HalvingStage::total(start_intervals, steps_per_stage);
        if around.train.steps > total {
            return checks::bad(
                "train.steps",
                format!("goes beyond the last stage, which ends after {total} steps: the rate is zero there"),
            );
        }
        Ok(())
    }

    fn schedule(&self, step: u64, _: u64) -> (u64, u64) {
        let stage = self.stage(step);
        (step - stage.first_step, stage.n_steps)
    }

    fn n_levels(&self, step: u64, _: u64) -> Option<usize> {
        Some(self.stage(step).n_intervals + 1)
    }

    /// Where a stage has finished a model of few steps.
    fn milestones(&self, steps: u64) -> Vec<u64> {
        let mut ends = Vec::new();
        let mut stage = self.stage(0);
        loop {
            let HalvingStage { first_step, n_steps, n_intervals, .. } = stage;
            let end = first_step + n_steps;
            if n_intervals <= FEW_STEPS && end <= steps {
                ends.push(end);
            }
            if n_intervals <= 1 || end >= steps {
                return ends;
            }
            stage = self.stage(end);
        }
    }

    /// The grid that the student was made for, down to σ_min.
    fn sampling_levels(&self, noise: &Noise, step: u64) -> Result<Option<SamplingLevels>, LevelsError> {
        let Noise { sigma_min, sigma_max, rho, .. } = *noise;
        SamplingLevels::karras(self.stage_made(step).n_intervals + 1, sigma_min, sigma_max, rho).map(Some)
    }

    fn preview_steps(&self) -> Vec<Option<usize>> {
        vec![None]
    }

    /// The teacher: after the first stage nothing else knows it any more.
    fn networks(&self) -> Networks {
        Networks { saved: 1, unsaved: 0 }
    }

    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Running {
            teacher: given.guided_teacher(self.guidance)?,
            loss: ProgressiveDistillation {
                distance: given.distance(&self.distance)?,
                weighting: self.weighting,
                sigma_data: given.noise.sigma_data,
                rho: given.noise.rho,
            },
            noise: *given.noise,
            settings: self.clone(),
        }))
    }
}

struct Running {
    teacher: AskedTeacher,
    loss: ProgressiveDistillation,
    noise: Noise,
    settings: Settings,
}

impl Method for Running {
    fn loss(&self, student: &Student<'_>, batch: &Batch, place: &Place) -> Result<Losses> {
        let n_levels = self.settings.stage(place.step).n_intervals + 1;
        let steps = levels::neighbors(&self.noise, n_levels, Proposal::Uniform, place)?;
        let values = self.loss.loss(student.tracked, &self.teacher, batch, &steps)?;
        Ok(Losses::of(values, steps.high))
    }

    fn report(&self, place: &Place) -> Report {
        let stage = self.settings.stage(place.step);
        Report { n_levels: Some(stage.n_intervals + 1), target_rate: None, stage: Some(stage.number) }
    }

    /// A checkpoint at the end of a stage is taken before the next one begins, so it holds the finished model of that stage.
    fn begins_stage(&self, step: u64) -> bool {
        let stage = self.settings.stage(step);
        stage.number > 0 && stage.first_step == step
    }

    fn begin_stage(&mut self, finished: Preconditioned) {
        self.teacher = AskedTeacher::plain(finished);
    }

    fn state(&self, step: u64) -> MethodState {
        let made_here = self.settings.stage(step).number > 0;
        MethodState {
            teacher: made_here.then(|| self.teacher.model().weights().clone()),
            ..MethodState::default()
        }
    }

    fn restore(&mut self, state: MethodState, student: &Preconditioned) {
        if let Some(weights) = state.teacher {
            self.teacher = AskedTeacher::plain(student.with_weights(weights));
        }
    }
}
