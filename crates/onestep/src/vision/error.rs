//! What can be wrong with a network that was trained to see.

use std::path::PathBuf;

use crate::interop::WeightsFileError;
use crate::model::ModelError;

/// A network of published weights that cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// Weights that are not where they were looked for.
    #[error("there is no {}: {remedy}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Where to get it and where to put it.
        remedy: String,
    },
    /// A distance that only the program that brought it along can compute.
    #[error("the distance `{name}` is a program's own, which has to give it when it builds the run")]
    Custom {
        /// Its name.
        name: String,
    },
    /// Weights that a smaller build leaves out.
    #[error("this program was built without the feature `builtin`, which brings `{name}`")]
    NotBuiltIn {
        /// What was asked for.
        name: String,
    },
    /// A file of weights that cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsFileError),
    /// Weights that do not fit the network that they are for.
    #[error("{name}: {source}")]
    Network {
        /// The file.
        name: String,
        /// What does not fit.
        source: ModelError,
    },
}
