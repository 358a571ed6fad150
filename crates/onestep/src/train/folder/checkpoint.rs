//! A checkpoint: everything a run is at one moment.

use crate::checkpoint::{ModelHeader, TrainState};
use crate::model::Weights;
use crate::train::{Average, LearnedWeighting, Optimizer};

/// Everything a run is at one moment. Cloning shares the numbers, so a copy can be saved while training goes on.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What the model is. Its step and images are taken from `state` when it is saved.
    pub header: ModelHeader,
    /// The trained weights.
    pub weights: Weights,
    /// Averages of them, in the order of the recipe; the first is the one to use.
    pub averages: Vec<Average>,
    /// The target of a consistency loss, where it is a network of its own.
    pub target: Option<Weights>,
    /// The teacher, where the run itself has made it: after the first stage of progressive distillation.
    pub teacher: Option<Weights>,
    /// The optimizer with its moments.
    pub optimizer: Optimizer,
    /// The learned weighting of levels with its optimizer, where the objective has one.
    pub weighting: Option<LearnedWeighting>,
    /// The place in the run.
    pub state: TrainState,
}

impl Checkpoint {
    /// Bytes that saving needs on disk, a little more than it will take.
    pub fn bytes_needed(&self) -> u64 {
        /// Name, shape and place of a tensor in a header.
        const ENTRY: u64 = 160;
        let specs = self.weights.specs();
        let sets = 1
            + self.averages.len() as u64
            + u64::from(self.target.is_some())
            + u64::from(self.teacher.is_some());
        let n_values: u64 = specs.iter().map(|spec| spec.n_values() as u64).sum();
        let n_trained = self.weights.n_parameters() as u64;
        let n_entries = specs.len() as u64 * (sets + 2);
        let weighting = if self.weighting.is_some() { 16 * 1024 } else { 0 };
        let state = 4 * (sets * n_values + 2 * n_trained) + ENTRY * n_entries + 4096 * (sets + 2) + weighting;
        state + state / 10
    }
}
