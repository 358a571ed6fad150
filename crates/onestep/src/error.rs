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
    /// A device that ran out of memory, or failed.
    #[error(transparent)]
    Device(#[from] crate::model::DeviceFailure),
    /// A file of weights that cannot be read.
    #[cfg(feature = "formats")]
    #[error(transparent)]
    Weights(#[from] crate::interop::WeightsFileError),
    /// A model of another program that cannot be taken over.
    #[cfg(feature = "formats")]
    #[error(transparent)]
    Interop(#[from] crate::interop::InteropError),
    /// A model that cannot be written for another program.
    #[cfg(feature = "formats")]
    #[error(transparent)]
    Export(#[from] crate::exchange::ExportError),
    /// A data set that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    /// An output that would take the place of something else.
    #[error(transparent)]
    Output(#[from] crate::data::OutputError),
    /// A way of drawing that the model does not have.
    #[error(transparent)]
    Sample(#[from] crate::sample::SampleError),
    /// An edit that cannot be made.
    #[error(transparent)]
    Edit(#[from] crate::edit::EditError),
    /// An evaluation that cannot be made.
    #[cfg(feature = "eval")]
    #[error(transparent)]
    Eval(#[from] crate::eval::EvalError),
    /// A network of published weights that are missing or unfit.
    #[cfg(any(feature = "train", feature = "eval"))]
    #[error(transparent)]
    Vision(#[from] crate::vision::VisionError),
    /// A recipe that cannot be read or contradicts itself.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Recipe(#[from] crate::train::RecipeError),
    /// An optimizer that cannot work.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Optimizer(#[from] crate::train::OptimizerError),
    /// An average that cannot be.
    #[error(transparent)]
    Average(#[from] crate::checkpoint::AverageError),
    /// Processes that cannot train together, or no longer do.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Distributed(#[from] crate::distributed::DistributedError),
    /// A run that cannot start or go on.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Train(#[from] crate::train::TrainError),
    /// A model that cannot be exported to ONNX.
    #[error(transparent)]
    Onnx(#[from] crate::exchange::onnx::OnnxError),
    /// A checkpoint that cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
}

/// The result of anything that can go wrong in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;
