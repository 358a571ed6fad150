//! Model files: what a trained model is, on disk, and how one is found in the folder of a run.
//!
//! 1. [`load_model`] finds and reads a model: a file, a step folder, or the newest intact step of a run folder.
//! 2. Its [`ModelHeader`] says everything about the weights, so that nothing is asked again; [`read_header`] reads that alone.
//! 3. [`save_model`] writes weights as one file, whole or not at all, through [`Storage`].
//!
//! The same weights always give the same bytes. What a run needs beside them to go on is in [`crate::train`].

mod average;
mod error;
#[cfg(feature = "formats")]
mod foreign;
mod header;
pub(crate) mod layout;
mod model;
mod seal;
mod storage;
mod which;
mod writer;

pub use crate::arrays::TensorFileError;
pub use average::{AverageConfig, AverageError};
pub use error::{CheckpointError, ErrorClass};
pub use header::{Format, Imported, ModelHeader, TrainState};
pub(crate) use header::{Manifest, parse, render};
#[cfg(feature = "formats")]
pub(crate) use model::file_digest;
pub use model::{Damaged, LoadedModel, ModelSummary, load_model, read_header, stage_models};
pub(crate) use model::{first_intact, read_arrays, read_manifest, weights_from};
pub use storage::{Disk, Storage, StoredFile};
pub use which::Which;
pub use writer::save_model;
pub(crate) use writer::{Writer, arrays_of, save_arrays};
