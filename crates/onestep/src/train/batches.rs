//! Batches: which images and noise a step sees, as a pure function of the recipe and the step.

use burn::tensor::{Device, Tensor, TensorData};

use super::Augmentation;
use super::method::Place;
use super::recipe::Recipe;
use crate::data::{DataError, Dataset, flip_horizontal};
use crate::model::{Condition, DropoutKey};
use crate::noise::{Purpose, Stream};
use crate::objective::Batch;

/// Draws batches from a data set.
///
/// # Randomness
///
/// Sample number j of a run (images seen before it) is a place of its own: its position in the epoch's
/// permutation, its flip and its noise are functions of (seed, j) alone, whatever the batch
/// size, the microbatch, the thread or the rank.
pub struct Batches {
    data: Box<dyn Dataset>,
    seed: u64,
    flip: bool,
    augment: Option<Augmentation>,
    labels: bool,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Batches {
    /// Batches of `data` as `recipe` asks.
    pub fn new(recipe: &Recipe, data: Box<dyn Dataset>, labels: bool) -> Self {
        let (flip, augment) = (recipe.data.flip, recipe.train.augment);
        Self { data, seed: recipe.train.seed, flip, augment, labels, epoch: None }
    }

    /// The data set.
    pub fn data(&self) -> &dyn Dataset {
        self.data.as_ref()
    }

    /// Images, noise and condition of the samples at `place`.
    ///
    /// # Shapes
    ///
    /// `[n, height, width, channels]`.
    ///
    /// # Errors
    ///
    /// [`DataError`] for an image that cannot be read; it names the file.
    pub fn batch(&mut self, place: &Place, device: &Device) -> Result<Batch, DataError> {
        let shape = self.data.shape();
        let samples: Vec<u64> = place.samples.clone().collect();
        let n = samples.len();
        let mut clean = Vec::with_capacity(n * shape.n_values());
        let mut noise = Vec::with_capacity(n * shape.n_values());
        let mut labels = Vec::with_capacity(n);
        let mut changes = Vec::new();
        for &number in &samples {
            let index = self.index(number);
            let mut sample = self.data.sample(index)?;
            if self.flip && Stream::new(self.seed, Purpose::Augment, 0, number).next_u32() & 1 == 1 {
                flip_horizontal(&mut sample.values, shape);
            }
            if let Some(augment) = &self.augment {
                changes.push(augment.apply(&mut sample.values, shape, self.seed, number));
            }
            clean.extend(sample.values);
            noise.extend(
                Stream::new(self.seed, Purpose::TrainingNoise, 0, number).standard_normal(shape.n_values()),
            );
            labels.extend(sample.label);
        }
        let extents = [n, shape.height, shape.width, shape.channels];
        let tensor = |values| Tensor::from_data(TensorData::new(values, extents), device);
        let condition = Condition {
            labels: self.labels.then_some(labels),
            augment: self.augment.is_some().then_some(changes),
            dropout: Some(DropoutKey { seed: self.seed, step: place.step, samples }),
        };
        Ok(Batch { clean: tensor(clean), noise: tensor(noise), condition })
    }

    /// Which image sample `number` of the run is: every epoch is a permutation of the data set.
    fn index(&mut self, number: u64) -> usize {
        let n = self.data.len() as u64;
        let (epoch, position) = (number / n, (number % n) as usize);
        if self.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            let mut order: Vec<u32> = (0..n as u32).collect();
            let mut stream = Stream::new(self.seed, Purpose::Shuffle, epoch, 0);
            for last in (1..order.len()).rev() {
                order.swap(last, stream.below(last as u64 + 1) as usize);
            }
            self.epoch = Some((epoch, order));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[position] as usize)
    }
}
