//! The trainer: one training step, and the loop around it.
//!
//! One step, whatever the method (progressive distillation begins some of them with a new stage):
//!
//! 1. images, noise and levels of the samples that are next ([`Batches`]);
//! 2. the loss of the student, and its gradient;
//! 3. if all of it is finite: the optimizer, the averages and the target move; if not, the step is counted
//!    as skipped, and three in a row end the run;
//! 4. the observer is told.

use burn::tensor::{Device, Tensor};

use super::batches::{Batches, Levels, gap_stage};
use super::folder::{Checkpoint, RunFolder};
use super::observer::{Event, Flow, Observer, loss_by_level};
use super::recipe::{DirectionConfig, Objective, PathConfig, Recipe, Start};
use super::start::{check_data, check_teacher, copy_weights};
use super::{Average, LearnedWeighting, Optimizer, TrainError, blend, preview};
use crate::checkpoint::{Damaged, Format, ModelHeader, TrainState};
use crate::data::Dataset;
use crate::model::{ModelError, Preconditioned, Weights};
use crate::noise::HalvingStage;
use crate::objective::{
    self, Batch, Consistency, Continuous, LevelWeighting, LoadedDistance, ProgressiveDistillation,
};
use crate::{Result, TOOL};

/// Skipped updates in a row that end a run.
const MAX_SKIPPED_IN_A_ROW: u64 = 3;

/// A training run between two steps: everything it needs to go on.
pub struct Trainer {
    recipe: Recipe,
    batches: Batches,
    student: Preconditioned,
    /// None where the target is the student itself (μ = 0), and where there is no target.
    target: Option<Weights>,
    averages: Vec<Average>,
    teacher: Option<Preconditioned>,
    /// None where the objective has none to choose.
    distance: Option<LoadedDistance>,
    optimizer: Optimizer,
    /// None where the objective learns no weighting of levels.
    weighting: Option<LearnedWeighting>,
    state: TrainState,
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
    /// - [`PerceptualError`](crate::perceptual::PerceptualError) where the weights of the distance are missing or unfit.
    /// - what [`Recipe::check`] and building the network refuse.
    pub fn new(
        recipe: Recipe,
        data: Box<dyn Dataset>,
        teacher: Option<Preconditioned>,
        device: &Device,
    ) -> Result<Self> {
        recipe.check()?;
        let network = recipe.network.build()?;
        check_data(network.as_ref(), data.as_ref())?;
        check_teacher(&recipe, network.as_ref(), teacher.as_ref())?;
        let distance = match recipe.distance() {
            Some(distance) => Some(distance.load(&recipe.train.distance_files, device)?),
            None => None,
        };
        let weights = match (recipe.train.start, &teacher) {
            (Start::Teacher, Some(teacher)) => copy_weights(teacher.weights(), network.parameters())?,
            _ => Weights::initialize(network.parameters(), recipe.train.seed, device),
        };
        let labels = network.n_classes().is_some();
        let state = TrainState {
            step: 0,
            images_seen: 0,
            seed: recipe.train.seed,
            skipped_updates: 0,
            consecutive_bad: 0,
            recipe_digest: recipe.digest(),
            data_fingerprint: data.fingerprint(),
            tool: TOOL.into(),
        };
        Ok(Self {
            target: recipe.keeps_target().then(|| weights.clone()),
            averages: recipe.train.averages.iter().map(|config| Average::new(*config, &weights)).collect(),
            optimizer: Optimizer::new(recipe.train.optimizer, &weights),
            weighting: recipe
                .first_weighting(network.image().iter().product())
                .map(|first| LearnedWeighting::new(first, recipe.train.optimizer, recipe.train.seed, device)),
            student: Preconditioned::new(
                network,
                weights,
                recipe.training_preconditioning(),
                recipe.noise.range(),
            )
            .with_precision(recipe.train.precision),
            // A loss that never asks the teacher must not hold it in memory (bug A7 of the reference).
            teacher: teacher
                .filter(|_| recipe.distills())
                .map(|teacher| teacher.with_precision(recipe.train.precision)),
            distance,
            batches: Batches::new(&recipe, data, labels),
            state,
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
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// The model to sample from: the first average, or the student where none is kept.
    pub fn best(&self) -> Preconditioned {
        let weights = self.averages.first().map_or(self.student.weights(), |average| &average.weights);
        Preconditioned::new(
            self.student.network().clone(),
            weights.clone(),
            self.recipe.preconditioning(),
            self.recipe.noise.range(),
        )
        .with_precision(self.recipe.train.precision)
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
        self.turn_stage();
        let TrainState { step, images_seen, .. } = self.state;
        let n = self.recipe.train.batch;
        let levels = Batches::levels(&self.recipe, step, images_seen, n)?;
        let (losses, gradients, weighting_gradients) = self.gradients(&levels)?;
        let loss = losses.iter().sum::<f64>() / n as f64;
        let gradient_norm = norm(&gradients);
        self.state.step += 1;
        self.state.images_seen += n as u64;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return self.skip(loss, &levels);
        }
        self.state.consecutive_bad = 0;
        let learning_rate = self.recipe.learning_rate_at(step);
        self.update(gradients, gradient_norm, learning_rate, step, images_seen);
        if let Some(weighting) = &mut self.weighting {
            weighting.update(&weighting_gradients, learning_rate);
        }
        let (n_levels, target_rate, stage) = match &self.recipe.objective {
            Objective::Denoising { .. } | Objective::Continuous { .. } => (None, None, None),
            Objective::Consistency { curriculum, target, .. } => {
                let total = self.recipe.train.steps;
                (Some(curriculum.n_levels(step, total)), Some(target.rate(curriculum, step, total)), None)
            }
            Objective::Tuning { images_per_stage, .. } => {
                (None, None, Some(gap_stage(images_seen, *images_per_stage).into()))
            }
            Objective::ProgressiveDistillation { .. } => {
                let stage = self.recipe.stage(step);
                (stage.map(|stage| stage.n_intervals + 1), None, stage.map(|stage| stage.number))
            }
        };
        Ok(Event::Step {
            step: self.state.step,
            images_seen: self.state.images_seen,
            loss,
            gradient_norm,
            learning_rate,
            n_levels,
            target_rate,
            stage,
            loss_by_level: loss_by_level(levels.high(), &losses),
        })
    }

    /// A run as its folder's last intact checkpoint left it, or at its beginning where the folder holds none.
    ///
    /// From there on every number is what an uninterrupted run would have had, to the bit on a CPU.
    /// Damaged checkpoints that had to be passed over are returned beside it.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`]; a checkpoint that cannot be read; [`TrainError::RecipeDiffers`] and
    /// [`TrainError::OtherData`] where the recipe or the data are not those of the checkpoint.
    pub fn resume(
        recipe: Recipe,
        data: Box<dyn Dataset>,
        teacher: Option<Preconditioned>,
        folder: &RunFolder,
        device: &Device,
    ) -> Result<(Self, Vec<Damaged>)> {
        let mut trainer = Self::new(recipe, data, teacher, device)?;
        let specs = trainer.student.network().parameters().clone();
        let Some(restored) = folder.load(&specs, device)? else { return Ok((trainer, Vec::new())) };
        let Checkpoint { header, weights, averages, target, teacher, optimizer, weighting, state } =
            restored.checkpoint;
        if header.architecture != trainer.recipe.network || state.recipe_digest != trainer.state.recipe_digest
        {
            return Err(TrainError::RecipeDiffers { folder: folder.path().into() }.into());
        }
        if state.data_fingerprint != trainer.state.data_fingerprint {
            return Err(TrainError::OtherData { source_name: trainer.recipe.data.source.clone() }.into());
        }
        trainer.student = trainer.student.with_weights(weights);
        trainer.target = target;
        if let Some(weights) = teacher {
            trainer.teacher = Some(trainer.student.with_weights(weights));
        }
        // Their settings are the recipe's, whose text keeps every digit of a rate.
        for (own, saved) in trainer.averages.iter_mut().zip(averages) {
            own.weights = saved.weights;
        }
        trainer.optimizer = optimizer;
        trainer.weighting = weighting;
        trainer.state = state;
        Ok((trainer, restored.skipped))
    }

    /// Everything that has to be saved to go on exactly from here.
    pub fn checkpoint(&self) -> Checkpoint {
        let noise = &self.recipe.noise;
        Checkpoint {
            header: ModelHeader {
                format: Format,
                architecture: self.recipe.network.clone(),
                preconditioning: self.recipe.preconditioning(),
                sigma_min: noise.sigma_min,
                sigma_max: noise.sigma_max,
                sigma_data: noise.sigma_data,
                rho: noise.rho,
                class_names: match self.student.network().n_classes() {
                    Some(_) => self.batches.data().class_names().to_vec(),
                    None => Vec::new(),
                },
                method: self.recipe.method().into(),
                data: self.recipe.data.source.clone(),
                images_seen: self.state.images_seen,
                step: self.state.step,
                tool: TOOL.into(),
                // The recipe has been checked, its levels with it.
                sampling_levels: self
                    .recipe
                    .sampling_levels(self.state.step)
                    .ok()
                    .flatten()
                    .map(|levels| levels.as_slice().to_vec()),
                task_levels: Default::default(),
            },
            weights: self.student.weights().clone(),
            averages: self.averages.clone(),
            target: self.target.clone(),
            // After the first stage of progressive distillation nothing else knows the teacher any more.
            teacher: match (self.recipe.stage(self.state.step), &self.teacher) {
                (Some(stage), Some(teacher)) if stage.number > 0 => Some(teacher.weights().clone()),
                _ => None,
            },
            optimizer: self.optimizer.clone(),
            weighting: self.weighting.clone(),
            state: self.state.clone(),
        }
    }

    /// Trains from where the run is to its last step, saving and previewing into `folder`.
    ///
    /// Beside every `checkpoint_every` steps it saves at the recipe's [`milestones`](Recipe::milestones), which a folder that is
    /// [`keeping`](RunFolder::keeping) them never removes.
    ///
    /// Returns whether the last step was reached; if not, an observer asked to stop, and the state is saved.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`], and whatever saving meets.
    pub fn run(&mut self, folder: &RunFolder, observer: &mut dyn Observer) -> Result<bool> {
        let steps = self.recipe.train.steps;
        let milestones = self.recipe.milestones();
        let mut stop = false;
        stop |= stop_asked(
            observer,
            &Event::Start {
                step: self.state.step,
                steps,
                batch: self.recipe.train.batch,
                parameters: self.student.weights().n_parameters(),
            },
        );
        while self.state.step < steps && !stop {
            stop |= stop_asked(observer, &self.step()?);
            let step = self.state.step;
            let last = step == steps;
            let due = |every: u64| every > 0 && step.is_multiple_of(every);
            if (last && self.recipe.train.preview_every > 0) || due(self.recipe.train.preview_every) {
                let files = preview::write(folder.path(), &self.recipe, &self.best(), step, &self.device)?;
                stop |= stop_asked(observer, &Event::Preview { step, files });
            }
            if last || stop || due(self.recipe.train.checkpoint_every) || milestones.contains(&step) {
                let saved = folder.save(&self.checkpoint())?;
                stop |= stop_asked(observer, &Event::Checkpoint { step, folder: saved.folder });
            }
        }
        let finished = self.state.step >= steps;
        stop_asked(observer, &Event::End { step: self.state.step, finished });
        Ok(finished)
    }

    /// Begins the next stage of progressive distillation where one is due: the model of the finished stage becomes the
    /// teacher, and a copy of it the student, with an optimizer that remembers nothing.
    ///
    /// A checkpoint at the end of a stage is taken before this, so it holds the finished model of that stage.
    fn turn_stage(&mut self) {
        let due = |stage: &HalvingStage| stage.number > 0 && stage.first_step == self.state.step;
        if self.recipe.stage(self.state.step).filter(due).is_none() {
            return;
        }
        let finished = self.best();
        let weights = finished.weights().clone();
        self.optimizer = Optimizer::new(self.recipe.train.optimizer, &weights);
        for average in &mut self.averages {
            average.weights = weights.clone();
        }
        self.student = self.student.with_weights(weights);
        self.teacher = Some(finished);
    }

    /// Loss of every sample and gradients of their mean, over microbatches: of the student, and of the learned weighting.
    fn gradients(&mut self, levels: &Levels) -> Result<(Vec<f64>, Vec<Tensor<1>>, Vec<Tensor<1>>)> {
        let n = self.recipe.train.batch;
        let micro = self.recipe.train.microbatch.unwrap_or(n);
        let TrainState { step, images_seen, .. } = self.state;
        let mut losses = Vec::with_capacity(n);
        let mut sums = [None, None];
        for start in (0..n).step_by(micro) {
            let range = start..(start + micro).min(n);
            let batch = self.batches.batch(step, images_seen + start as u64, range.len(), &self.device)?;
            let tracked = self.student.weights().tracked_with(self.recipe.train.activation_checkpointing);
            let student = self.student.with_weights(tracked.clone());
            let weighting = self.weighting.as_ref().map(|weighting| weighting.weights.tracked());
            let per_sample = self.loss(&student, weighting.as_ref(), &batch, &levels.select(range))?;
            losses.extend(per_sample.clone().inner().into_data().iter::<f64>());
            let mut graph = (per_sample.sum() / n as f64).backward();
            let found = [Some(&tracked), weighting.as_ref()];
            for (sum, weights) in sums.iter_mut().zip(found) {
                let Some(weights) = weights else { continue };
                let gradients = weights.gradients(&mut graph);
                *sum = Some(match sum.take() {
                    None => gradients,
                    Some(sum) => {
                        let pairs = Vec::into_iter(sum).zip(gradients);
                        pairs.map(|(a, b): (Tensor<1>, Tensor<1>)| a + b).collect()
                    }
                });
            }
        }
        let [student, weighting] = sums.map(Option::unwrap_or_default);
        Ok((losses, student, weighting))
    }

    /// The recipe's objective for one microbatch, one number a sample.
    fn loss(
        &self,
        student: &Preconditioned,
        learned: Option<&Weights>,
        batch: &Batch,
        levels: &Levels,
    ) -> Result<Tensor<1>, ModelError> {
        let sigma_data = self.recipe.noise.sigma_data;
        match (&self.recipe.objective, levels) {
            (Objective::Denoising { weighting, .. }, Levels::Single(sigma)) => {
                objective::denoising(student, batch, sigma, *weighting, sigma_data)
            }
            (Objective::Consistency { path, weighting, .. }, Levels::Pairs(pairs)) => {
                let objective = Consistency { distance: self.distance(), weighting: *weighting, sigma_data };
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
            (Objective::Tuning { weighting, .. }, Levels::Pairs(pairs)) => {
                let objective = Consistency { distance: self.distance(), weighting: *weighting, sigma_data };
                objective.loss(student, &self.student, objective::Path::Data, batch, pairs)
            }
            (Objective::ProgressiveDistillation { weighting, .. }, Levels::Pairs(steps)) => {
                let (distance, weighting, rho) = (self.distance(), *weighting, self.recipe.noise.rho);
                let objective = ProgressiveDistillation { distance, weighting, sigma_data, rho };
                // A run without a teacher was refused at its beginning.
                let teacher = self.teacher.as_ref().unwrap_or(&self.student);
                objective.loss(student, teacher, batch, steps)
            }
            (
                Objective::Continuous { path, normalization, warm_up_steps, weighting, .. },
                Levels::Single(sigma),
            ) => {
                let objective =
                    Continuous { normalization: *normalization, weighting: *weighting, sigma_data };
                let direction = match (path, &self.teacher) {
                    (DirectionConfig::Teacher, Some(teacher)) => objective::Direction::Teacher(teacher),
                    _ => objective::Direction::Data,
                };
                let ramp = match warm_up_steps {
                    0 => 1.0,
                    &steps => (self.state.step as f64 / steps as f64).min(1.0),
                };
                let network = LevelWeighting::new();
                let adaptive = learned.map(|weights| (&network, weights));
                objective.loss(student, direction, batch, sigma, ramp, adaptive)
            }
            _ => unreachable!("levels are drawn for the recipe's own objective"),
        }
    }

    /// The distance of an objective that has one.
    fn distance(&self) -> LoadedDistance {
        self.distance.clone().expect("it was loaded with the recipe")
    }

    /// Optimizer, averages, target: in the order of the reference.
    fn update(
        &mut self,
        gradients: Vec<Tensor<1>>,
        gradient_norm: f64,
        learning_rate: f64,
        step: u64,
        images: u64,
    ) {
        let gradients = match self.recipe.train.clip_gradient {
            Some(limit) if gradient_norm > limit => {
                gradients.into_iter().map(|gradient| gradient * (limit / gradient_norm)).collect()
            }
            _ => gradients,
        };
        let weights = self.optimizer.update(self.student.weights(), &gradients, learning_rate);
        for average in &mut self.averages {
            average.update(&weights, images, self.recipe.train.batch as u64);
        }
        if let (Some(current), Objective::Consistency { curriculum, target, .. }) =
            (&self.target, &self.recipe.objective)
        {
            let rate = target.rate(curriculum, step, self.recipe.train.steps);
            self.target = Some(blend(current, &weights, rate));
        }
        self.student = self.student.with_weights(weights);
    }

    /// Counts an update that could not be made.
    fn skip(&mut self, loss: f64, levels: &Levels) -> Result<Event> {
        self.state.skipped_updates += 1;
        self.state.consecutive_bad += 1;
        let fold = |pick: fn(f64, f64) -> f64, start| levels.high().iter().copied().fold(start, pick);
        let (sigma_low, sigma_high) = (fold(f64::min, f64::INFINITY), fold(f64::max, 0.0));
        let step = self.state.step;
        if self.state.consecutive_bad >= MAX_SKIPPED_IN_A_ROW {
            return Err(TrainError::NotFinite { step, sigma_low, sigma_high, n: MAX_SKIPPED_IN_A_ROW }.into());
        }
        let loss = loss.is_finite().then_some(loss);
        Ok(Event::Skipped { step, loss, sigma_low, sigma_high, skipped: self.state.skipped_updates })
    }
}

/// Norm over all values of all gradients, read from the device once.
fn norm(gradients: &[Tensor<1>]) -> f64 {
    let squares: Vec<_> = gradients.iter().map(|g| (g.clone() * g.clone()).sum()).collect();
    Tensor::cat(squares, 0).into_data().iter::<f64>().sum::<f64>().sqrt()
}

/// Tells the observer and says whether it wants to stop.
fn stop_asked(observer: &mut dyn Observer, event: &Event) -> bool {
    observer.observe(event) == Flow::Stop
}
