//! How much memory a run will need, before it is started.

use super::TrainError;
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
        // What is absurd is a large number here, not a small one.
        let values =
            network.parameters().iter().fold(0u64, |sum, spec| sum.saturating_add(spec.n_values() as u64));
        let size = values.saturating_mul(4);
        let train = &recipe.train;
        let beside = recipe.settings().networks();
        // Saved are the student, two moments, averages and what the method says; in memory also the gradient, the new
        // weights while the old ones are still there, what the method does not save, and sums of the gradients of shards.
        let saved = 3 + train.averages.len() as u64 + beside.saved;
        let summed = u64::from(train.n_shards().ilog2());
        let held = saved + 2 + beside.unsaved + summed + u64::from(train.images_at_a_time() < train.batch);
        let micro = train.images_at_a_time() as u64;
        let points = micro.saturating_mul(recipe.settings().points_per_image());
        let perceptual = recipe.distance().and_then(|distance| Some((distance, distance.perceptual()?)));
        let (looking, looks_with) = perceptual.map_or((0, 0), |(distance, kind)| {
            let [height, width, _] = network.image();
            let kept = kind.activations(distance.compared_at([height, width])).unwrap_or(0);
            (kept as u64, 4 * kind.n_weights() as u64)
        });
        // A network that does not say what it keeps keeps the outputs of its layers at least.
        let outputs: u64 =
            network.parameters().iter().filter_map(|spec| spec.shape.last()).map(|&n| n as u64).sum();
        let activations = (network.activations(train.activation_checkpointing) as u64).max(outputs);
        Self {
            weights: size.saturating_mul(held).saturating_add(looks_with),
            activations: activations.saturating_add(looking).saturating_mul(4).saturating_mul(points),
            checkpoint: size.saturating_mul(saved),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.activations)
    }

    /// Refuses a run that needs more than `available` bytes.
    ///
    /// # Errors
    ///
    /// [`TrainError::Memory`] with the parts.
    pub fn fits(&self, recipe: &Recipe, available: u64) -> Result<(), TrainError> {
        let images = recipe.train.images_at_a_time();
        match self.total() > available {
            true => {
                let Self { weights, activations, .. } = *self;
                Err(TrainError::Memory { weights, activations, images, available })
            }
            false => Ok(()),
        }
    }
}
