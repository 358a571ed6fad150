//! The crate's error: one variant for each module that can fail, passed through unchanged.

/// Anything that can go wrong in this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A noise schedule that cannot be built from the numbers given.
    #[error(transparent)]
    Levels(#[from] crate::noise::LevelsError),
    /// A model, network or condition that does not fit what it is used with.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// A file of weights that cannot be read.
    #[error(transparent)]
    Weights(#[from] crate::interop::WeightsFileError),
    /// A data set that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    /// An edit that cannot be made.
    #[error(transparent)]
    Edit(#[from] crate::edit::EditError),
    /// An evaluation that cannot be made.
    #[error(transparent)]
    Eval(#[from] crate::eval::EvalError),
    /// A perceptual distance whose weights are missing or unfit.
    #[error(transparent)]
    Perceptual(#[from] crate::perceptual::PerceptualError),
    /// A recipe that cannot be read or contradicts itself.
    #[error(transparent)]
    Recipe(#[from] crate::train::RecipeError),
    /// An optimizer that cannot work.
    #[error(transparent)]
    Optimizer(#[from] crate::train::OptimizerError),
    /// An average that cannot be.
    #[error(transparent)]
    Average(#[from] crate::checkpoint::AverageError),
    /// A run that cannot start or go on.
    #[error(transparent)]
    Train(#[from] crate::train::TrainError),
    /// A checkpoint that cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
}

/// The result of anything that can go wrong in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;
