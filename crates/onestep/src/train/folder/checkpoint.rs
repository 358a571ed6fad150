//! A checkpoint: everything a run is at one moment.

use crate::checkpoint::{ModelHeader, TrainState};
use crate::model::Weights;
use crate::train::{Average, MethodState, Optimizer};

/// Everything a run is at one moment. Cloning shares the numbers, so a copy can be saved while training goes on.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What the model is. Its step and images are taken from `state` when it is saved.
    pub header: ModelHeader,
    /// The trained weights.
    pub weights: Weights,
    /// Averages of them, in the order of the recipe; the first is the one to use.
    pub averages: Vec<Average>,
    /// What the method keeps beside them.
    pub method: MethodState,
    /// The optimizer with its moments.
    pub optimizer: Optimizer,
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
            + u64::from(self.method.target.is_some())
            + u64::from(self.method.teacher.is_some());
        let n_values: u64 = specs.iter().map(|spec| spec.n_values() as u64).sum();
        let n_trained = self.weights.n_parameters() as u64;
        let n_entries = specs.len() as u64 * (sets + 2);
        let weighting = if self.method.weighting.is_some() { 16 * 1024 } else { 0 };
        let state = 4 * (sets * n_values + 2 * n_trained) + ENTRY * n_entries + 4096 * (sets + 2) + weighting;
        state + state / 10
    }
}
