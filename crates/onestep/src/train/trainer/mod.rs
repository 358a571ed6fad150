//! The trainer: what one training step is, whatever the method.
//!
//! 1. images and noise of the samples that are next ([`Batches`]);
//! 2. the method's losses of the student, and their gradient;
//! 3. if all of it is finite: the optimizer, the averages and what the method keeps move; if not, the step is counted
//!    as skipped, and three in a row end the run.
//!
//! Before a step at which a stage of the method begins, the model so far is frozen and training goes on from it.

mod checkpoint;
mod start;

use burn::tensor::{Device, Tensor};

use super::batches::{BadImage, Batches};
use super::method::{Losses, Method, Moved, Place, Student};
use super::observer::{Event, loss_by_level};
use super::recipe::Recipe;
use super::{Average, Optimizer, TrainError};
use crate::Result;
use crate::checkpoint::TrainState;
use crate::data::Dataset;
use crate::model::Preconditioned;

pub(super) use checkpoint::recipe_of;
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
    device: Device,
}

/// What the samples of one step say about the weights.
#[derive(Default)]
struct Gradients {
    losses: Vec<f64>,
    /// The noise level of each loss.
    sigma: Vec<f64>,
    student: Vec<Tensor<1>>,
    companion: Vec<Tensor<1>>,
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

    /// Where it computes.
    pub(super) fn device(&self) -> &Device {
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
    /// step and levels.
    pub fn step(&mut self) -> Result<Event> {
        if self.method.begins_stage(self.state.step) {
            self.begin_stage();
        }
        let n = self.recipe.train.batch as u64;
        let TrainState { seed, step, images_seen, .. } = self.state;
        let place = Place { seed, step, samples: images_seen..images_seen + n };
        let gradients = self.gradients(&place)?;
        let loss = gradients.losses.iter().sum::<f64>() / gradients.losses.len() as f64;
        let gradient_norm = norm(&gradients.student);
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

    /// Loss of every point and gradients of their mean, over microbatches.
    fn gradients(&mut self, place: &Place) -> Result<Gradients> {
        let n = self.recipe.train.batch;
        let micro = self.recipe.train.microbatch.unwrap_or(n);
        let mut all = Gradients::default();
        for samples in place.samples.clone().step_by(micro) {
            let samples = samples..(samples + micro as u64).min(place.samples.end);
            let n_samples = (samples.end - samples.start) as usize;
            let place = Place { samples, ..place.clone() };
            let (batch, bad) = self.batches.batch(&place, &self.device)?;
            self.pass_over(bad);
            let tracked = self.student.weights().tracked_with(self.recipe.train.activation_checkpointing);
            let student = self.student.with_weights(tracked.clone());
            let student = Student { tracked: &student, detached: &self.student };
            let Losses { values, sigma, companion } = self.method.loss(&student, &batch, &place)?;
            all.sigma.extend(sigma);
            all.losses.extend(values.clone().inner().into_data().iter::<f64>());
            // Methods may look at several points of each image.
            let n_points = values.dims()[0] / n_samples * n;
            let mut graph = (values.sum() / n_points as f64).backward();
            add(&mut all.student, tracked.gradients(&mut graph));
            if let Some(companion) = companion {
                add(&mut all.companion, companion.gradients(&mut graph));
            }
        }
        Ok(all)
    }

    /// Counts images that cannot be read.
    fn pass_over(&mut self, bad: Vec<BadImage>) {
        for BadImage { index, reason } in bad {
            self.state.bad_images.push(index);
            let (source, count) = (self.data().source(index), self.state.bad_images.len());
            self.news.push(Event::BadImage { source, reason: reason.to_string(), count });
        }
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

/// Adds gradients up; no sum yet is zero.
fn add(sum: &mut Vec<Tensor<1>>, gradients: Vec<Tensor<1>>) {
    *sum = match std::mem::take(sum) {
        none if none.is_empty() => gradients,
        sum => sum.into_iter().zip(gradients).map(|(a, b)| a + b).collect(),
    };
}

/// Norm over all values of all gradients, read from the device once.
fn norm(gradients: &[Tensor<1>]) -> f64 {
    let squares: Vec<_> = gradients.iter().map(|g| (g.clone() * g.clone()).sum()).collect();
    Tensor::cat(squares, 0).into_data().iter::<f64>().sum::<f64>().sqrt()
}
