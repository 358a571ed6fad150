//! What can be wrong with the way a model is to be drawn from.

use std::path::PathBuf;

/// A sampler, or a number of steps, that a model does not have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// A student of progressive distillation was asked for another sampler than its own.
    #[error("this model of progressive distillation knows the steps it was made for only")]
    ProgressiveOnly,
    /// The sampler of progressive distillation was asked of another model.
    #[error("this model was not made by progressive distillation")]
    NotProgressive,
    /// A diffusion model was asked to jump.
    #[error("this is a diffusion model: it cannot jump to the image in a few steps")]
    CannotJump,
    /// A consistency model was asked to follow an ODE.
    #[error("this is a consistency model: it does not follow an ODE step by step")]
    HasNoOde,
    /// Churn that is negative or not a number.
    #[error("churn must be zero or more, not {churn}")]
    Churn {
        /// The churn given.
        churn: f64,
    },
    /// A run of progressive distillation without a model of so many steps.
    #[error("{} holds no model made for {wanted} steps", path.display())]
    NoStage {
        /// The run or file.
        path: PathBuf,
        /// The number of steps asked for.
        wanted: usize,
        /// The numbers of steps for which there is a model.
        known: Vec<usize>,
    },
    /// Classes were given to a model that has none.
    #[error("this model is unconditional and takes no class")]
    NoClasses,
    /// Other than one class for each seed.
    #[error("{classes} classes for {seeds} seeds; give one for each, or one for all")]
    ClassCount {
        /// Number of classes given.
        classes: usize,
        /// Number of seeds given.
        seeds: usize,
    },
}
