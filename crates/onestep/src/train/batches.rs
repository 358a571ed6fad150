//! Batches: which images, noise and levels a step sees, as a pure function of the recipe and the step.

use burn::tensor::{Device, Tensor, TensorData};

use super::recipe::{Objective, Recipe};
use crate::data::{DataError, Dataset, flip_horizontal};
use crate::model::{Condition, DropoutKey};
use crate::noise::{LevelsError, LogNormal, Proposal, Purpose, Stream, TrainingLevels, karras_level};
use crate::objective::{Batch, LevelPairs};

/// The noise levels of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Levels {
    /// One a sample: denoising, and consistency in continuous time.
    Single(Vec<f64>),
    /// Two a sample: consistency.
    Pairs(LevelPairs),
}

impl Levels {
    /// The level at which the loss weighs each sample: the noisier of a pair.
    pub fn high(&self) -> &[f64] {
        match self {
            Self::Single(sigma) => sigma,
            Self::Pairs(pairs) => &pairs.high,
        }
    }

    /// The levels of some of the samples only.
    pub fn select(&self, samples: std::ops::Range<usize>) -> Self {
        match self {
            Self::Single(sigma) => Self::Single(sigma[samples].to_vec()),
            Self::Pairs(pairs) => Self::Pairs(LevelPairs {
                low: pairs.low[samples.clone()].to_vec(),
                high: pairs.high[samples].to_vec(),
            }),
        }
    }
}

/// Draws batches from a data set.
///
/// # Randomness
///
/// Sample number j of a run (images seen before it) is a place of its own: its position in the epoch's
/// permutation, its flip, its noise and its level are functions of (seed, j) alone, whatever the batch
/// size, the microbatch, the thread or the rank.
pub struct Batches {
    data: Box<dyn Dataset>,
    seed: u64,
    flip: bool,
    labels: bool,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Batches {
    /// Batches of `data` as `recipe` asks.
    pub fn new(recipe: &Recipe, data: Box<dyn Dataset>, labels: bool) -> Self {
        Self { data, seed: recipe.train.seed, flip: recipe.data.flip, labels, epoch: None }
    }

    /// The data set.
    pub fn data(&self) -> &dyn Dataset {
        self.data.as_ref()
    }

    /// Images, noise and condition of `n` samples from number `first` of the run on.
    ///
    /// # Shapes
    ///
    /// `[n, height, width, channels]`.
    ///
    /// # Errors
    ///
    /// [`DataError`] for an image that cannot be read; it names the file.
    pub fn batch(&mut self, step: u64, first: u64, n: usize, device: &Device) -> Result<Batch, DataError> {
        let shape = self.data.shape();
        let mut clean = Vec::with_capacity(n * shape.n_values());
        let mut noise = Vec::with_capacity(n * shape.n_values());
        let mut labels = Vec::with_capacity(n);
        let samples: Vec<u64> = (first..first + n as u64).collect();
        for &number in &samples {
            let index = self.index(number);
            let mut sample = self.data.sample(index)?;
            if self.flip && Stream::new(self.seed, Purpose::Augment, 0, number).next_u32() & 1 == 1 {
                flip_horizontal(&mut sample.values, shape);
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
            augment: None,
            dropout: Some(DropoutKey { seed: self.seed, step, samples }),
        };
        Ok(Batch { clean: tensor(clean), noise: tensor(noise), condition })
    }

    /// The noise levels of the same samples.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if the recipe's levels make no grid.
    pub fn levels(recipe: &Recipe, step: u64, first: u64, n: usize) -> Result<Levels, LevelsError> {
        let stream = |number| Stream::new(recipe.train.seed, Purpose::Levels, 0, number);
        let numbers = first..first + n as u64;
        match &recipe.objective {
            Objective::Denoising { p_mean, p_std, .. } => {
                let proposal = LogNormal { p_mean: *p_mean, p_std: *p_std };
                Ok(Levels::Single(numbers.map(|number| proposal.draw(&mut stream(number))).collect()))
            }
            Objective::Continuous { proposal, .. } => {
                let noise = &recipe.noise;
                let level = |number| match *proposal {
                    Proposal::LogNormal { p_mean, p_std } => {
                        LogNormal { p_mean, p_std }.draw(&mut stream(number))
                    }
                    Proposal::Uniform => {
                        let place = stream(number).uniform();
                        karras_level(place, noise.sigma_min, noise.sigma_max, noise.rho)
                    }
                };
                Ok(Levels::Single(numbers.map(level).collect()))
            }
            Objective::Consistency { curriculum, proposal, .. } => {
                let noise = &recipe.noise;
                let n_levels = curriculum.n_levels(step, recipe.train.steps);
                let grid = TrainingLevels::karras(n_levels, noise.sigma_min, noise.sigma_max, noise.rho)?;
                let intervals = proposal.draw(&grid, numbers.map(stream));
                Ok(Levels::Pairs(LevelPairs {
                    low: intervals.iter().map(|&i| grid.as_slice()[i]).collect(),
                    high: intervals.iter().map(|&i| grid.as_slice()[i + 1]).collect(),
                }))
            }
        }
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
