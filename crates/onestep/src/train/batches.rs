//! Batches: which images, noise and levels a step sees, as a pure function of the recipe and the step.

use burn::tensor::{Device, Tensor, TensorData};

use super::Augmentation;
use super::recipe::{Objective, Recipe};
use crate::data::{DataError, Dataset, flip_horizontal};
use crate::model::{Condition, DropoutKey};
use crate::noise::{
    HalvingStage, LevelsError, LogNormal, Proposal, Purpose, Stream, TrainingLevels, karras_level,
};
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

/// The stage of easy tuning that sample `number` of a run belongs to: a function of the images seen alone.
pub(super) fn gap_stage(number: u64, images_per_stage: u64) -> u32 {
    (number / images_per_stage.max(1)).min(1000) as u32
}

/// Pairs of neighboring levels of the recipe's grid of `n_levels`, in the intervals that `draw` picks.
fn neighbors(
    recipe: &Recipe,
    n_levels: usize,
    draw: impl FnOnce(&TrainingLevels) -> Vec<usize>,
) -> Result<Levels, LevelsError> {
    let noise = &recipe.noise;
    let grid = TrainingLevels::karras(n_levels, noise.sigma_min, noise.sigma_max, noise.rho)?;
    let intervals = draw(&grid);
    Ok(Levels::Pairs(LevelPairs {
        low: intervals.iter().map(|&i| grid.as_slice()[i]).collect(),
        high: intervals.iter().map(|&i| grid.as_slice()[i + 1]).collect(),
    }))
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
        let mut changes = Vec::new();
        let samples: Vec<u64> = (first..first + n as u64).collect();
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
                let n_levels = curriculum.n_levels(step, recipe.train.steps);
                neighbors(recipe, n_levels, |grid| proposal.draw(grid, numbers.map(stream)))
            }
            Objective::Tuning { p_mean, p_std, gap, images_per_stage, .. } => {
                let proposal = LogNormal { p_mean: *p_mean, p_std: *p_std };
                let high: Vec<f64> =
                    numbers.clone().map(|number| proposal.draw(&mut stream(number))).collect();
                let low = numbers.zip(&high);
                let low =
                    low.map(|(number, &sigma)| gap.partner(sigma, gap_stage(number, *images_per_stage)));
                Ok(Levels::Pairs(LevelPairs { low: low.collect(), high }))
            }
            Objective::ProgressiveDistillation { start_intervals, steps_per_stage, .. } => {
                let stage = HalvingStage::at(*start_intervals, *steps_per_stage, step);
                neighbors(recipe, stage.n_intervals + 1, |grid| {
                    Proposal::Uniform.draw(grid, numbers.map(stream))
                })
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
