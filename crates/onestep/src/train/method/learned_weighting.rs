//! The learned weighting of levels of a run, with what moves it.

use burn::tensor::{Device, Tensor};

use crate::model::Weights;
use crate::objective::LevelWeighting;
use crate::train::{Optimizer, OptimizerConfig};

/// The numbers of a [`LevelWeighting`] and their own optimizer.
#[derive(Debug, Clone)]
pub struct LearnedWeighting {
    /// Where it is.
    pub weights: Weights,
    /// What moves it: of the same kind as the model's, at the same rate.
    pub optimizer: Optimizer,
}

impl LearnedWeighting {
    /// One that is `first` at all levels, so that it weighs them alike.
    ///
    /// # Randomness
    ///
    /// Its frequencies are a function of `seed`.
    pub fn new(first: f64, config: OptimizerConfig, seed: u64, device: &Device) -> Self {
        let weights = Weights::initialize(LevelWeighting::starting_at(first).parameters(), seed, device);
        Self { optimizer: Optimizer::new(config, &weights), weights }
    }

    /// Takes one step against `gradients`.
    pub fn update(&mut self, gradients: &[Tensor<1>], learning_rate: f64) {
        self.weights = self.optimizer.update(&self.weights, gradients, learning_rate);
    }
}
