//! What can be wrong with a perceptual network.

use std::path::PathBuf;

/// A perceptual network that cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PerceptualError {
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
    /// A file of weights that cannot be read.
    #[error(transparent)]
    Weights(#[from] crate::interop::WeightsFileError),
    /// Weights that do not fit the network that they are for.
    #[error("{name}: {source}")]
    Network {
        /// The file.
        name: String,
        /// What does not fit.
        source: crate::model::ModelError,
    },
}
