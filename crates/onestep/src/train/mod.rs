//! Training: recipes, the loop, what moves the weights, what follows them, and what survives a crash.
//!
//! 1. A [`Recipe`] describes a run completely.
//! 2. [`Trainer`] makes its steps and tells an [`Observer`] about them.
//! 3. [`LearningRate`] says how far an update goes, [`Optimizer`] takes it, [`Average`] follows the weights;
//!    averages are what one samples from.
//! 4. [`RunFolder`] keeps all of it on disk, whole or not at all, so that a run continues to the bit.

mod augment;
mod batches;
mod builtin;
mod ema;
mod error;
mod folder;
mod forecast;
mod learned_weighting;
mod learning_rate;
mod observer;
mod optimizer;
mod preview;
mod recipe;
mod start;
mod trainer;

pub use augment::Augmentation;
pub use batches::{Batches, Levels};
pub use builtin::{builtin_recipe, builtin_recipes};
pub use ema::{Average, blend};
pub use error::TrainError;
pub use folder::{Checkpoint, Restored, RunFolder, RunLock, Saved};
pub use forecast::MemoryForecast;
pub use learned_weighting::LearnedWeighting;
pub use learning_rate::{Decay, LearningRate};
pub use observer::{Event, Flow, LevelLoss, Observer};
pub use optimizer::{AdamConfig, Optimizer, OptimizerConfig, OptimizerError, RadamConfig};
pub use recipe::{
    DirectionConfig, Noise, Objective, PathConfig, Recipe, RecipeError, Sampling, Start, Train,
};
pub use trainer::Trainer;
