//! Training: recipes, the loop, what moves the weights, what follows them, and what survives a crash.
//!
//! 1. A [`Recipe`] describes a run completely.
//! 2. [`Run`] trains it in a folder, where it can be stopped and continued anywhere, and tells an [`Observer`].
//! 3. A [`method`] says what is minimized; [`Trainer`] makes one step, whatever the method.
//! 4. [`LearningRate`] says how far an update goes, [`Optimizer`] takes it, [`Average`] follows the weights;
//!    averages are what one samples from.
//! 5. [`RunFolder`] keeps all of it on disk, whole or not at all, so that a run continues to the bit.

mod augment;
mod batches;
mod builtin;
mod change;
mod continued;
mod ema;
mod error;
mod event_log;
mod folder;
mod forecast;
mod learning_rate;
pub mod method;
mod observer;
mod optimizer;
mod preview;
mod recipe;
mod run;
mod suggestion;
mod teacher;
mod trainer;
mod training;

pub use augment::Augmentation;
pub use builtin::{builtin_recipe, builtin_recipes};
pub use change::{Change, Extend, SchedulePoint};
pub use ema::{Average, blend};
pub use error::{RecipeError, TrainError};
pub use event_log::EventLog;
pub use folder::{Checkpoint, Restored, RunFolder, RunLock, Saved};
pub use forecast::MemoryForecast;
pub use learning_rate::{Decay, LearningRate};
pub use method::consistency::PathConfig;
pub use method::continuous::DirectionConfig;
pub use method::{LearnedWeighting, MethodState, Objective};
pub use observer::{Event, Flow, LevelLoss, Observer};
pub use optimizer::{AdamConfig, Optimizer, OptimizerConfig, OptimizerError, RadamConfig};
pub use recipe::{Draft, NetworkTable, Recipe, Sampling};
pub use run::{DiskForecast, EVENTS, Outcome, Resumed, Run, RunBuilder, RunSummary};
pub use suggestion::Suggestion;
pub use teacher::Teacher;
pub use trainer::Trainer;
pub use training::{Noise, Renew, Start, Train};
