//! Training: what moves the weights, what follows them, and what survives a crash.
//!
//! 1. [`LearningRate`] says how far an update goes, [`Optimizer`] takes it.
//! 2. [`Average`] follows the weights; averages are what one samples from.
//! 3. [`checkpoint`] keeps all of it on disk, whole or not at all, so that a run continues to the bit.

pub mod checkpoint;
mod ema;
mod learning_rate;
mod optimizer;

pub use ema::{Average, blend, AverageConfig, AverageError};
pub use learning_rate::{Decay, LearningRate};
pub use optimizer::{AdamConfig, NamedArrays, Optimizer, OptimizerConfig, OptimizerError, RadamConfig};
