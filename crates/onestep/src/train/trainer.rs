//! The trainer: one training step, and the loop around it.
//!
//! One step, whatever the method:
//!
//! 1. images, noise and levels of the samples that are next ([`Batches`]);
//! 2. the loss of the student, and its gradient;
//! 3. if all of it is finite: the optimizer, the averages and the target move; if not, the step is counted
//!    as skipped, and three in a row end the run;
//! 4. the observer is told.

use std::path::Path;

use burn::tensor::{Device, Tensor};

use super::batches::{Batches, Levels};
use super::observer::{Event, Flow, Observer, loss_by_level};
use super::recipe::{Objective, PathConfig, Recipe, Start};
use super::{Average, Optimizer, Progress, Snapshot, TrainError, checkpoint, preview};
use crate::Result;
use crate::data::Dataset;
use crate::model::{Denoiser, ModelError, Preconditioned, Weights};
use crate::objective::{self, Batch, Consistency};

/// Skipped updates in a row that end a run.
const MAX_SKIPPED_IN_A_ROW: u64 = 3;

/// A training run between two steps: everything it needs to go on.
pub struct Trainer {
    recipe: Recipe,
    batches: Batches,
    student: Preconditioned,
    /// None where the target is the student itself (μ = 0, and denoising, which has no target).
    target: Option<Weights>,
    averages: Vec<Average>,
    teacher: Option<Preconditioned>,
    optimizer: Optimizer,
    progress: Progress,
    device: Device,
}

impl Trainer {
    /// A run at its beginning.
    ///
    /// `teacher` is the model that distillation learns from; a consistency-training run that starts at random
    /// needs none and holds none.
    ///
    /// # Errors
    ///
    /// - [`TrainError::TeacherNeeded`] and [`TrainError::TeacherDiffers`] for a missing or unlike teacher.
    /// - [`TrainError::DataDiffers`] where image shape or classes of data and network do not agree.
    /// - what [`Recipe::check`] and building the network refuse.
    pub fn new(
        recipe: Recipe,
        data: Box<dyn Dataset>,
        teacher: Option<Preconditioned>,
        device: &Device,
    ) -> Result<Self> {
        recipe.check()?;
        let network = recipe.network.build()?;
        check_data(network.image(), network.n_classes(), data.as_ref())?;
        if recipe.needs_teacher() && teacher.is_none() {
            return Err(TrainError::TeacherNeeded.into());
        }
        if let Some(teacher) = &teacher
            && recipe.distills()
            && (teacher.network().image() != network.image()
                || teacher.network().n_classes() != network.n_classes())
        {
            return Err(TrainError::TeacherDiffers {
                reason: "it makes images of another shape, or knows other classes".into(),
            }
            .into());
        }
        let weights = match (recipe.train.start, &teacher) {
            (Start::Teacher, Some(teacher)) => copy_weights(teacher.weights(), network.parameters())?,
            _ => Weights::initialize(network.parameters(), recipe.train.seed, device),
        };
        let has_target = match &recipe.objective {
            Objective::Denoising { .. } => false,
            Objective::Consistency { target, .. } => !target.is_student(),
        };
        let labels = network.n_classes().is_some();
        Ok(Self {
            target: has_target.then(|| weights.clone()),
            averages: recipe.train.averages.iter().map(|config| Average::new(*config, &weights)).collect(),
            optimizer: Optimizer::new(recipe.train.optimizer, &weights),
            student: Preconditioned::new(network, weights, recipe.preconditioning(), recipe.noise.range()),
            // A loss that never asks the teacher must not hold it in memory (bug A7 of the reference).
            teacher: teacher.filter(|_| recipe.distills()),
            batches: Batches::new(&recipe, data, labels),
            progress: Progress::default(),
            device: device.clone(),
            recipe,
        })
    }

    /// The recipe of this run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The student with its current weights.
    pub fn student(&self) -> &Preconditioned {
        &self.student
    }

    /// Steps done, images seen, updates skipped.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The model to sample from: the first average, or the student where none is kept.
    pub fn best(&self) -> Preconditioned {
        match self.averages.first() {
            Some(average) => self.student.with_weights(average.weights().clone()),
            None => self.student.clone(),
        }
    }

    /// Makes one update.
    ///
    /// # Randomness
    ///
    /// A function of the recipe's seed and the progress: the same step gives the same update.
    ///
    /// # Errors
    ///
    /// An image that cannot be read; [`TrainError::NotFinite`] after three skipped updates in a row, with
    /// step and levels.
    pub fn step(&mut self) -> Result<Event> {
        let Progress { step, images_seen, .. } = self.progress;
        let n = self.recipe.train.batch;
        let levels = Batches::levels(&self.recipe, step, images_seen, n)?;
        let (losses, gradients) = self.gradients(&levels)?;
        let loss = losses.iter().sum::<f64>() / n as f64;
        let gradient_norm = norm(&gradients);
        self.progress.step += 1;
        self.progress.images_seen += n as u64;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return self.skip(loss, &levels);
        }
        self.progress.skipped_in_a_row = 0;
        let learning_rate = self.recipe.train.learning_rate.at(images_seen, self.recipe.train.steps * n as u64);
        self.update(gradients, gradient_norm, learning_rate, step, images_seen);
        let (n_levels, target_rate) = match &self.recipe.objective {
            Objective::Denoising { .. } => (None, None),
            Objective::Consistency { curriculum, target, .. } => {
                let total = self.recipe.train.steps;
                (Some(curriculum.n_levels(step, total)), Some(target.rate(curriculum, step, total)))
            }
        };
        Ok(Event::Step {
            step: self.progress.step,
            images_seen: self.progress.images_seen,
            loss,
            gradient_norm,
            learning_rate,
            n_levels,
            target_rate,
            loss_by_level: loss_by_level(levels.high(), &losses),
        })
    }

    /// Trains from where the run is to its last step, saving and previewing into `folder`.
    ///
    /// Returns whether the last step was reached; if not, an observer asked to stop, and the state is saved.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`], and whatever saving meets.
    pub fn run(&mut self, folder: &Path, observer: &mut dyn Observer) -> Result<bool> {
        let steps = self.recipe.train.steps;
        let mut flow = observer.observe(&Event::Start {
            step: self.progress.step,
            steps,
            batch: self.recipe.train.batch,
            parameters: self.student.weights().n_parameters(),
        });
        while self.progress.step < steps && flow == Flow::Continue {
            let event = self.step()?;
            flow = observer.observe(&event);
            let step = self.progress.step;
            let last = step == steps;
            let due = |every: u64| every > 0 && step.is_multiple_of(every);
            if last || due(self.recipe.train.preview_every) {
                let files = preview::write(folder, &self.recipe, &self.best(), step, &self.device)?;
                flow = flow.or(observer.observe(&Event::Preview { step, files }));
            }
            if last || flow == Flow::Stop || due(self.recipe.train.checkpoint_every) {
                let saved = checkpoint::save(folder, &self.snapshot(), self.recipe.train.keep)?;
                flow = flow.or(observer.observe(&Event::Checkpoint { step, folder: saved }));
            }
        }
        let finished = self.progress.step >= steps;
        observer.observe(&Event::End { step: self.progress.step, finished });
        Ok(finished)
    }

    /// Loss of every sample and gradient of their mean, over microbatches.
    fn gradients(&mut self, levels: &Levels) -> Result<(Vec<f64>, Vec<Tensor<1>>)> {
        let n = self.recipe.train.batch;
        let micro = self.recipe.train.microbatch.unwrap_or(n);
        let Progress { step, images_seen, .. } = self.progress;
        let mut losses = Vec::with_capacity(n);
        let mut sum: Option<Vec<Tensor<1>>> = None;
        for start in (0..n).step_by(micro) {
            let range = start..(start + micro).min(n);
            let batch = self.batches.batch(step, images_seen + start as u64, range.len(), &self.device)?;
            let tracked = self.student.weights().tracked(self.recipe.train.activation_checkpointing);
            let student = self.student.with_weights(tracked.clone());
            let per_sample = self.loss(&student, &batch, &levels.select(range))?;
            losses.extend(per_sample.clone().inner().into_data().iter::<f64>());
            let mut graph = (per_sample.sum() / n as f64).backward();
            let gradients = tracked.gradients(&mut graph);
            sum = Some(match sum {
                None => gradients,
                Some(sum) => sum.into_iter().zip(gradients).map(|(a, b)| a + b).collect(),
            });
        }
        Ok((losses, sum.unwrap_or_default()))
    }

    /// The recipe's objective for one microbatch, one number a sample.
    fn loss(&self, student: &dyn Denoiser, batch: &Batch, levels: &Levels) -> Result<Tensor<1>, ModelError> {
        let sigma_data = self.recipe.noise.sigma_data;
        match (&self.recipe.objective, levels) {
            (Objective::Denoising { weighting, .. }, Levels::Single(sigma)) => {
                objective::denoising(student, batch, sigma, *weighting, sigma_data)
            }
            (Objective::Consistency { path, distance, weighting, .. }, Levels::Pairs(pairs)) => {
                let objective = Consistency { distance: *distance, weighting: *weighting, sigma_data };
                let target = match &self.target {
                    Some(weights) => &self.student.with_weights(weights.clone()),
                    None => &self.student,
                };
                let path = match (path, &self.teacher) {
                    (PathConfig::Teacher { solver }, Some(teacher)) => {
                        objective::Path::Teacher { teacher, solver: *solver }
                    }
                    _ => objective::Path::Data,
                };
                objective.loss(student, target, path, batch, pairs)
            }
            _ => unreachable!("levels are drawn for the recipe's own objective"),
        }
    }

    /// Optimizer, averages, target: in the order of the reference.
    fn update(&mut self, gradients: Vec<Tensor<1>>, gradient_norm: f64, learning_rate: f64, step: u64, images: u64) {
        let gradients = match self.recipe.train.clip_gradient {
            Some(limit) if gradient_norm > limit => {
                gradients.into_iter().map(|gradient| gradient * (limit / gradient_norm)).collect()
            }
            _ => gradients,
        };
        let weights = self.optimizer.update(self.student.weights(), &gradients, learning_rate);
        for average in &mut self.averages {
            average.update(&weights, images, self.recipe.train.batch);
        }
        if let (Some(current), Objective::Consistency { curriculum, target, .. }) =
            (&self.target, &self.recipe.objective)
        {
            let rate = target.rate(curriculum, step, self.recipe.train.steps);
            self.target = Some(current.toward(&weights, rate));
        }
        self.student = self.student.with_weights(weights);
    }

    /// Counts an update that could not be made.
    fn skip(&mut self, loss: f64, levels: &Levels) -> Result<Event> {
        self.progress.skipped += 1;
        self.progress.skipped_in_a_row += 1;
        let fold = |pick: fn(f64, f64) -> f64, start| levels.high().iter().copied().fold(start, pick);
        let (sigma_low, sigma_high) = (fold(f64::min, f64::INFINITY), fold(f64::max, 0.0));
        let step = self.progress.step;
        if self.progress.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW {
            return Err(TrainError::NotFinite { step, sigma_low, sigma_high, n: MAX_SKIPPED_IN_A_ROW }.into());
        }
        let loss = loss.is_finite().then_some(loss);
        Ok(Event::Skipped { step, loss, sigma_low, sigma_high, skipped: self.progress.skipped })
    }
}

/// Norm over all values of all gradients, read from the device once.
fn norm(gradients: &[Tensor<1>]) -> f64 {
    let squares: Vec<_> = gradients.iter().map(|g| (g.clone() * g.clone()).sum()).collect();
    Tensor::cat(squares, 0).into_data().iter::<f64>().sum::<f64>().sqrt()
}
