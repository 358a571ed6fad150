//! What can go wrong with a model of another program.

use super::WeightsFileError;
use crate::model::ModelError;

/// A model of another program that cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InteropError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] WeightsFileError),
    /// Its tensors are not those of a network, or a network that cannot be.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its tensors are of no family of networks that is known.
    #[error("no network that is known has tensors such as {}; known are {families}", quoted(names))]
    UnknownFamily {
        /// Some of the names.
        names: Vec<String>,
        /// The families that are known.
        families: &'static str,
    },
    /// Something that the file does not say and that has to be said.
    #[error("{why}; say it with {option}")]
    Undecided {
        /// What cannot be seen, and why.
        why: String,
        /// The option of `onestep import`, with its values.
        option: &'static str,
    },
    /// A setting of the other program that networks here do not have.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// The setting and its value.
        what: String,
        /// What is supported.
        why: String,
    },
    /// A file of settings that cannot be understood.
    #[error("{reason}: `{file}`")]
    Settings {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Names in quotes, with commas.
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
