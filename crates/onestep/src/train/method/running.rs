//! A method at work: what it is told at each step, and what it gives back.

use std::ops::Range;

use burn::tensor::Tensor;

use super::LearnedWeighting;
use crate::Result;
use crate::model::{Preconditioned, Weights};
use crate::noise::{Purpose, Stream};
use crate::objective::Batch;

/// Where in a run some samples lie: all that randomness may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Seed of the run.
    pub seed: u64,
    /// Updates done before.
    pub step: u64,
    /// Numbers of the samples, counted over the whole run.
    pub samples: Range<u64>,
}

impl Place {
    /// The random numbers of each sample's level.
    pub fn level_streams(&self) -> impl Iterator<Item = Stream> + Clone + '_ {
        let seed = self.seed;
        self.samples.clone().map(move |number| Stream::new(seed, Purpose::Levels, 0, number))
    }
}

/// The student of one step, twice.
pub struct Student<'a> {
    /// Its evaluations carry gradients.
    pub tracked: &'a Preconditioned,
    /// The same numbers, detached.
    pub detached: &'a Preconditioned,
}

/// The losses of some samples.
pub struct Losses {
    /// One number for each point that was looked at: one an image, or several where a method takes whole paths.
    pub values: Tensor<1>,
    /// The noise level of each of those points, for reports.
    pub sigma: Vec<f64>,
    /// Tracked numbers beside the student's that the losses depend on and that move along with it.
    pub companion: Option<Weights>,
}

impl Losses {
    /// Losses on which the student's numbers alone have an influence.
    pub fn of(values: Tensor<1>, sigma: Vec<f64>) -> Self {
        Self { values, sigma, companion: None }
    }
}

/// An update that was just made.
pub struct Moved<'a> {
    /// The samples it was made on; `step` counts the updates before it.
    pub place: &'a Place,
    /// The student's new weights.
    pub weights: &'a Weights,
    /// Gradients of the mean loss by the numbers that [`Losses::companion`] gave.
    pub companion_gradients: &'a [Tensor<1>],
    /// The learning rate it was made at.
    pub learning_rate: f64,
}

/// What a step's event says about the method.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Report {
    /// Number of noise levels, where the method has a grid.
    pub n_levels: Option<usize>,
    /// Rate of the target, where there is one.
    pub target_rate: Option<f64>,
    /// Stage, from 0, where there are stages.
    pub stage: Option<u64>,
}

/// What a method keeps in checkpoints beside the student and its averages.
#[derive(Debug, Clone, Default)]
pub struct MethodState {
    /// The target of a consistency loss, where it is a network of its own.
    pub target: Option<Weights>,
    /// The teacher, where the run itself has made it: after the first stage of progressive distillation.
    pub teacher: Option<Weights>,
    /// The learned weighting of levels with its optimizer, where the objective has one.
    pub weighting: Option<LearnedWeighting>,
}

/// A method at work, with everything it needs inside.
pub trait Method: Send {
    /// The losses of a batch, at levels that the method draws itself.
    ///
    /// # Randomness
    ///
    /// A function of `place` alone, sample by sample: however a batch is cut, the losses are the same.
    fn loss(&self, student: &Student<'_>, batch: &Batch, place: &Place) -> Result<Losses>;

    /// Moves what follows the student.
    fn after_update(&mut self, _moved: &Moved<'_>) {}

    /// What there is to say about the update made on `place`.
    fn report(&self, _place: &Place) -> Report {
        Report::default()
    }

    /// Whether a stage begins after `step` updates: the best model so far is frozen, and training goes on from it with an
    /// optimizer that remembers nothing.
    fn begins_stage(&self, _step: u64) -> bool {
        false
    }

    /// Takes over the model of the stage that has just finished.
    fn begin_stage(&mut self, _finished: Preconditioned) {}

    /// What has to be saved after `step` updates to go on exactly from there.
    fn state(&self, _step: u64) -> MethodState {
        MethodState::default()
    }

    /// Goes on from `state`; `student` is the student as it was saved with it.
    fn restore(&mut self, _state: MethodState, _student: &Preconditioned) {}
}
