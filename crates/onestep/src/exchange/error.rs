//! What can go wrong with a model on its way out.

use std::path::PathBuf;

use crate::arrays::TensorFileError;

/// A model that cannot be written as another program would read it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The other program has no such model.
    #[error("this model cannot be written for {program}: {reason}")]
    NoSuchModel {
        /// Whom it was to be written for.
        program: &'static str,
        /// What the program does not know.
        reason: String,
    },
    /// The name does not say what kind of file is wanted.
    #[error("the name must end with .safetensors, .pt or .pth: `{}`", path.display())]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// Weights that are no numbers are never written.
    #[error("nothing was written: {reason}")]
    Weights {
        /// Which, and where.
        reason: TensorFileError,
    },
}

impl ExportError {
    /// The error for a model that a program cannot be told.
    pub(super) fn unknown(program: &'static str, reason: impl Into<String>) -> crate::Error {
        Self::NoSuchModel { program, reason: reason.into() }.into()
    }
}
