//! The trainer: what one training step is, whatever the method.
//!
//! 1. images and noise of the samples that are next ([`Batches`]);
//! 2. the method's losses of the student, and their gradient;
//! 3. if all of it is finite: the optimizer, the averages and what the method keeps move; if not, the step is counted
//!    as skipped, and three in a row end the run.
//!
//! Before a step at which a stage of the method begins, the model so far is frozen and training goes on from it.
//!
//! Several ranks take a step together ([`World`]): each sees the shards of the batch that are its own, and from the sum of their
//! gradients on all of them do the same.

mod checkpoint;
mod gradients;
mod ranks;
mod start;

use burn::tensor::Device;

use super::batches::Batches;
use super::method::{Method, Moved, Place};
use super::observer::{Event, loss_by_level};
use super::recipe::Recipe;
use super::{Average, Optimizer, TrainError};
use crate::Result;
use crate::checkpoint::TrainState;
use crate::data::Dataset;
use crate::distributed::World;
use crate::model::Preconditioned;

pub(super) use checkpoint::recipe_of;
use gradients::Gradients;
pub(super) use ranks::unreadable;
pub(super) use start::Parts;

/// Skipped updates in a row that end a run.
const MAX_SKIPPED_IN_A_ROW: u64 = 3;

/// A training run between two steps, in memory alone; [`Run`](super::Run) keeps one in a folder.
pub struct Trainer {
    recipe: Recipe,
    batches: Batches,
    student: Preconditioned,
    method: Box<dyn Method>,
    averages: Vec<Average>,
    optimizer: Optimizer,
    state: TrainState,
    /// What has happened since the last step, beside it.
    news: Vec<Event>,
    world: World,
    device: Device,
}

impl Trainer {
    /// The recipe of this run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The images that it trains on.
    pub fn data(&self) -> &dyn Dataset {
        self.batches.data()
    }

    /// The student with its current weights.
    pub fn student(&self) -> &Preconditioned {
        &self.student
    }

    /// Steps done, images seen, updates skipped.
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// The ranks that take its steps.
    pub(super) fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// Does something that the other ranks have to wait for, however long it takes.
    pub(super) fn while_others_wait<T>(&mut self, work: impl FnOnce(&Self) -> T) -> T {
        self.world.takes_long(true);
        let done = work(self);
        self.world.takes_long(false);
        done
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What there is to tell beside the steps; told once.
    pub(super) fn news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.news)
    }

    /// The model to sample from: the first average, or the student where none is kept.
    pub fn best(&self) -> Preconditioned {
        let weights = self.averages.first().map_or(self.student.weights(), |average| &average.weights);
        let network = self.student.network().clone();
        let (form, range) = (self.recipe.preconditioning(), self.recipe.noise.range());
        Preconditioned::new(network, weights.clone(), form, range).with_precision(self.recipe.train.precision)
    }

    /// Makes one update.
    ///
    /// # Randomness
    ///
    /// A function of the recipe's seed and the progress: the same step gives the same update.
    ///
    /// # Errors
    ///
    /// [`TrainError::BadImage`] for an image that cannot be read; [`TrainError::NotFinite`] after three skipped updates in a row, with
    /// step and levels. With several ranks, [`DistributedError`](crate::distributed::DistributedError) where one is lost.
    pub fn step(&mut self) -> Result<Event> {
        if self.method.begins_stage(self.state.step) {
            self.begin_stage();
        }
        let n = self.recipe.train.batch as u64;
        let TrainState { seed, step, images_seen, .. } = self.state;
        let place = Place { seed, step, samples: images_seen..images_seen + n };
        let mut gradients = self.summed(&place)?;
        if self.state.step + 1 < self.recipe.train.steps {
            let shards = self.world.own_shards(self.recipe.train.n_shards())?;
            self.prepare_next(&place, shards);
        }
        let gradient_norm = gradients.read_with_norm()?;
        let loss = gradients.losses.iter().sum::<f64>() / gradients.losses.len() as f64;
        self.state.step += 1;
        self.state.images_seen += n;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return self.skip(loss, &gradients.sigma);
        }
        self.state.consecutive_bad = 0;
        let learning_rate = self.recipe.learning_rate_at(step);
        let loss_by_level = loss_by_level(&gradients.sigma, &gradients.losses);
        self.update(gradients, gradient_norm, learning_rate, &place);
        let report = self.method.report(&place);
        Ok(Event::Step {
            step: self.state.step,
            images_seen: self.state.images_seen,
            loss,
            gradient_norm,
            learning_rate,
            n_levels: report.n_levels,
            target_rate: report.target_rate,
            stage: report.stage,
            loss_by_level,
        })
    }

    /// Freezes the best model so far and goes on from it, with an optimizer that remembers nothing.
    fn begin_stage(&mut self) {
        let finished = self.best();
        let weights = finished.weights().clone();
        self.optimizer = Optimizer::new(self.recipe.train.optimizer, &weights);
        for average in &mut self.averages {
            average.weights = weights.clone();
        }
        self.student = self.student.with_weights(weights);
        self.method.begin_stage(finished);
    }

    /// Optimizer, averages, what the method keeps: in the order of the reference.
    fn update(&mut self, gradients: Gradients, gradient_norm: f64, learning_rate: f64, place: &Place) {
        let student = match self.recipe.train.clip_gradient {
            Some(limit) if gradient_norm > limit => {
                gradients.student.into_iter().map(|gradient| gradient * (limit / gradient_norm)).collect()
            }
            _ => gradients.student,
        };
        let weights = self.optimizer.update(self.student.weights(), &student, learning_rate);
        for average in &mut self.averages {
            average.update(&weights, place.samples.start, self.recipe.train.batch as u64);
        }
        let companion_gradients = &gradients.companion;
        self.method.after_update(&Moved { place, weights: &weights, companion_gradients, learning_rate });
        self.student = self.student.with_weights(weights);
    }

    /// Counts an update that could not be made.
    fn skip(&mut self, loss: f64, sigma: &[f64]) -> Result<Event> {
        self.state.skipped_updates += 1;
        self.state.consecutive_bad += 1;
        let fold = |pick: fn(f64, f64) -> f64, start| sigma.iter().copied().fold(start, pick);
        let (sigma_low, sigma_high) = (fold(f64::min, f64::INFINITY), fold(f64::max, 0.0));
        let step = self.state.step;
        if self.state.consecutive_bad >= MAX_SKIPPED_IN_A_ROW {
            let (n, saved) = (MAX_SKIPPED_IN_A_ROW, None);
            return Err(TrainError::NotFinite { step, sigma_low, sigma_high, n, saved }.into());
        }
        let loss = loss.is_finite().then_some(loss);
        Ok(Event::Skipped { step, loss, sigma_low, sigma_high, skipped: self.state.skipped_updates })
    }
}
