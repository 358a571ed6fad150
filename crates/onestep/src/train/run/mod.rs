//! A run in its folder: created or continued, trained, saved and previewed, and never laid over another one.

mod builder;
mod disk;
mod home;
mod place;
mod readable;
mod summary;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use builder::RunBuilder;
pub use disk::DiskForecast;
pub use summary::RunSummary;

use super::observer::{Event, Flow, Observer};
use super::{Change, Draft, Recipe, TrainError, Trainer, preview};
use crate::checkpoint::Damaged;
use crate::data::Dataset;
use crate::{Error, Result};
use home::Home;

/// The recipe in a run's folder.
const RECIPE: &str = "recipe.toml";

/// The log in a run's folder: one line of JSON for each [`Event`], written by whoever observes the run.
pub const EVENTS: &str = "events.jsonl";

/// A training run in a folder that this process owns.
///
/// The folder explains itself: the complete recipe lies in it, beside checkpoints that are there whole or not at all, and
/// previews. A run that was stopped, or whose process died, goes on from its last checkpoint to the bit.
///
/// Several processes may take its steps together ([`RunBuilder::world`]). Each has a `Run` of its own in the same folder, which rank 0
/// alone writes; all end at the same step, whichever of their observers asks to stop.
///
/// # Examples
///
/// ```no_run
/// use onestep::train::{Event, Flow, Outcome, Recipe, Run, builtin_recipe};
///
/// let recipe = Recipe::parse(builtin_recipe("toy2d-ct")?, &["train.steps=500".into()])?;
/// let data = onestep::data::open(&recipe.data)?;
/// let mut observer = |event: &Event| match event {
///     Event::Step { loss, .. } if *loss < 0.01 => Flow::Stop,
///     _ => Flow::Continue,
/// };
/// if Run::create("runs/mine", recipe, data)?.train(&mut observer)? == Outcome::Stopped {
///     Run::resume("runs/mine")?.train(&mut observer)?;
/// }
/// # Ok::<(), onestep::Error>(())
/// ```
pub struct Run {
    trainer: Trainer,
    folder: Home,
    damaged: Vec<Damaged>,
    resumed: Option<Resumed>,
    /// The step of its newest checkpoint.
    saved: Option<u64>,
}

/// Where a run has gone on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Updates done before.
    pub step: u64,
    /// The folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Keys of the recipe that have another value from here on.
    pub changes: Vec<Change>,
}

/// How a call of [`Run::train`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run reached its last step.
    Finished,
    /// An observer asked to stop; the state is saved.
    Stopped,
}

impl Run {
    /// A new run on `data`; its teacher, if it needs one, is opened from where the recipe says.
    ///
    /// # Errors
    ///
    /// As [`RunBuilder::create`].
    pub fn create(folder: impl AsRef<Path>, recipe: Recipe, data: Box<dyn Dataset>) -> Result<Self> {
        RunBuilder::new(recipe).data(data).create(folder)
    }

    /// A run as its folder's last intact checkpoint left it, with the recipe that lies there; data and teacher are opened from
    /// where the recipe says.
    ///
    /// # Errors
    ///
    /// [`TrainError::NoRun`] if there is no recipe; as [`RunBuilder::resume`].
    pub fn resume(folder: impl AsRef<Path>) -> Result<Self> {
        RunBuilder::new(Self::recipe_in(&folder, &[])?).resume(folder)
    }

    /// The recipe of the run in a folder, with `settings` (`key.path=value`) applied. It was settled when the run began: nothing
    /// of it is left to the data.
    ///
    /// # Errors
    ///
    /// [`TrainError::NoRun`] if there is none; as [`Recipe::parse`].
    pub fn recipe_in(folder: impl AsRef<Path>, settings: &[String]) -> Result<Recipe> {
        let path = folder.as_ref().join(RECIPE);
        let text = std::fs::read_to_string(&path).map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => TrainError::NoRun { folder: folder.as_ref().into() },
            _ => TrainError::UnreadableRecipe { path, reason },
        })?;
        Ok(Draft::read(&text, settings)?.as_it_stands()?)
    }

    /// The recipe of this run.
    pub fn recipe(&self) -> &Recipe {
        self.trainer.recipe()
    }

    /// The run between two steps: student, data, progress.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Checkpoints, of the run or of its teacher, that had to be passed over because they are damaged; worth a warning.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Where it has gone on from; none for a run at its beginning.
    pub fn resumed(&self) -> Option<&Resumed> {
        self.resumed.as_ref()
    }

    /// The room that its checkpoints need and have.
    pub fn disk(&self) -> DiskForecast {
        let train = &self.trainer.recipe().train;
        let kept = train.keep as u64 + self.trainer.recipe().milestones().len() as u64;
        DiskForecast {
            checkpoint: self.trainer.checkpoint().bytes_needed(),
            n_checkpoints: kept + 1,
            available: self.folder.available_bytes(),
        }
    }

    /// Trains from where the run is to its last step, saving and previewing.
    ///
    /// Beside every `checkpoint_every` steps it saves at the recipe's [`milestones`](Recipe::milestones), which stay for good.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`], and whatever saving meets. Before an image that cannot be read ends it, the run is saved as the
    /// last step left it.
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let Self { trainer, folder, resumed, saved, .. } = self;
        let train = trainer.recipe().train.clone();
        let milestones = trainer.recipe().milestones();
        let start = Event::Start {
            step: trainer.state().step,
            steps: train.steps,
            batch: train.batch,
            parameters: trainer.student().weights().n_parameters(),
        };
        let mut stop = asks_to_stop(observer, &start);
        let changes = resumed.as_mut().map(|resumed| std::mem::take(&mut resumed.changes));
        for Change { key, from, to } in changes.into_iter().flatten() {
            stop |= asks_to_stop(observer, &Event::Changed { key, from, to });
        }
        // From here on a rank that does not come is lost; getting ready may have taken long.
        trainer.world().takes_long(false);
        stop = trainer.world().any(stop)?;
        while trainer.state().step < train.steps && !stop {
            let result = trainer.step();
            for event in trainer.news() {
                stop |= asks_to_stop(observer, &event);
            }
            let event = match result {
                Ok(event) => event,
                Err(Error::Train(TrainError::BadImage { n, index, reason })) => {
                    let step = trainer.state().step;
                    if step > 0 {
                        let again = *saved == Some(step);
                        if trainer.world().writes() {
                            trainer.ends_for(index);
                        }
                        let folder = trainer.while_others_wait(|trainer| match again {
                            true => folder.record(trainer.state()),
                            false => folder.save(trainer),
                        })?;
                        *saved = Some(step);
                        asks_to_stop(observer, &Event::Checkpoint { step, folder });
                        // Nobody ends before that is written.
                        trainer.world().meet()?;
                    }
                    return Err(TrainError::BadImage { n, index, reason }.into());
                }
                Err(Error::Train(TrainError::NotFinite { step, sigma_low, sigma_high, n, .. })) => {
                    let saved = *saved;
                    return Err(TrainError::NotFinite { step, sigma_low, sigma_high, n, saved }.into());
                }
                Err(error) => return Err(error),
            };
            stop |= asks_to_stop(observer, &event);
            let step = trainer.state().step;
            let last = step == train.steps;
            let due = |every: u64| every > 0 && step.is_multiple_of(every);
            let previews = (last && train.preview_every > 0) || due(train.preview_every);
            if previews && trainer.world().writes() {
                let written = trainer.while_others_wait(|trainer| {
                    let (recipe, device) = (trainer.recipe(), trainer.device());
                    preview::write(folder.path(), recipe, &trainer.best(), step, device)
                });
                stop |= asks_to_stop(observer, &Event::Preview { step, files: written? });
            }
            stop = trainer.world().any(stop)?;
            let saves = last || stop || due(train.checkpoint_every) || milestones.contains(&step);
            // Nothing is saved that is not the same on all ranks.
            if saves || trainer.world().compares_after(step) {
                trainer.compare_weights()?;
            }
            if saves {
                let folder = trainer.while_others_wait(|trainer| folder.save(trainer))?;
                *saved = Some(step);
                stop |= asks_to_stop(observer, &Event::Checkpoint { step, folder });
                stop = trainer.world().any(stop)?;
            }
        }
        // Nobody ends before the last checkpoint is written.
        trainer.world().meet()?;
        let step = trainer.state().step;
        let finished = step >= train.steps;
        asks_to_stop(observer, &Event::End { step, finished });
        Ok(if finished { Outcome::Finished } else { Outcome::Stopped })
    }
}

/// Tells the observer and says whether it wants to stop.
fn asks_to_stop(observer: &mut dyn Observer, event: &Event) -> bool {
    observer.observe(event) == Flow::Stop
}
