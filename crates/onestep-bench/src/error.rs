//! What can go wrong in a measurement.

use std::path::{Path, PathBuf};

/// Why something was not measured, or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// Whatever the library meets.
    #[error(transparent)]
    Library(#[from] onestep::Error),
    /// A model without a network of known layout, which cannot be trained.
    #[error("{name} is a model without a network")]
    NoNetwork {
        /// As it was asked for.
        name: String,
    },
    /// A folder that cannot be made.
    #[error("cannot create the folder {}: {source}", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A device that could not do what it was told.
    #[error("the device failed: {0}")]
    Device(String),
    /// Arrays that have no file form.
    #[error("the case has no file form: {0}")]
    Case(#[from] safetensors::SafeTensorError),
}

/// The result of a measurement.
pub type Result<T = (), E = BenchError> = std::result::Result<T, E>;

/// Library errors that arrive without the library's wrapper around them.
macro_rules! from_library {
    ($($error:ty),*) => {
        $(impl From<$error> for BenchError {
            fn from(error: $error) -> Self {
                onestep::Error::from(error).into()
            }
        })*
    };
}

from_library!(
    onestep::checkpoint::CheckpointError,
    onestep::data::DataError,
    onestep::eval::EvalError,
    onestep::model::ModelError,
    onestep::train::RecipeError,
    onestep::train::TrainError
);

/// Makes a folder that a measurement is written into.
pub(crate) fn create_folder(path: &Path) -> Result {
    std::fs::create_dir_all(path)
        .map_err(|source| BenchError::CreateFolder { path: path.to_path_buf(), source })
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result {
    std::fs::write(path, bytes).map_err(|source| BenchError::Write { path: path.to_path_buf(), source })
}
