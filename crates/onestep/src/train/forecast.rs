//! How much memory a run will need, before it is started.

use super::recipe::Recipe;
use crate::model::Network;

/// Bytes that a training run holds at its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryForecast {
    /// Weights and everything of their size: gradients, moments, averages, target, teacher.
    pub weights: u64,
    /// What the forward pass of one microbatch keeps for the backward pass, that of a perceptual distance included.
    pub activations: u64,
    /// One checkpoint on disk.
    pub checkpoint: u64,
}

impl MemoryForecast {
    /// The forecast for a recipe with its network.
    ///
    /// Activations are counted layer by layer ([`Network::activations`]); allocator overhead, the data set
    /// and the program itself are not counted.
    pub fn of(recipe: &Recipe, network: &dyn Network) -> Self {
        let values: u64 = network.parameters().iter().map(|spec| spec.n_values() as u64).sum();
        let size = 4 * values;
        let train = &recipe.train;
        let beside = recipe.settings().networks();
        // Saved are the student, two moments, averages and what the method says; in memory also the gradient, the new
        // weights while the old ones are still there, and what the method does not save.
        let saved = 3 + train.averages.len() as u64 + beside.saved;
        let held = saved + 2 + beside.unsaved + u64::from(train.microbatch.is_some());
        let micro = train.microbatch.unwrap_or(train.batch) as u64;
        let perceptual = recipe.distance().and_then(|distance| Some((distance, distance.perceptual()?)));
        let (looking, looks_with) = perceptual.map_or((0, 0), |(distance, kind)| {
            let [height, width, _] = network.image();
            let kept = kind.activations(distance.compared_at([height, width])).unwrap_or(0);
            (kept as u64, 4 * kind.n_weights() as u64)
        });
        let activations = network.activations(train.activation_checkpointing) as u64;
        Self {
            weights: held * size + looks_with,
            activations: 4 * micro * (activations + looking),
            checkpoint: saved * size,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.activations
    }
}
