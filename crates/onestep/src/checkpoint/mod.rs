//! Model files: what a trained model is, on disk, and how one is found in the folder of a run.
//!
//! 1. [`load_model`] finds and reads a model: a file, a step folder, or the newest intact step of a run folder.
//! 2. Its [`ModelHeader`] says everything about the weights, so that nothing is asked again; [`read_header`] reads that alone.
//! 3. [`save_model`] writes weights as one file, whole or not at all, through [`Storage`]; [`save_compact_model`] in half the bytes.
//!
//! The same weights always give the same bytes. What a run needs beside them to go on is in [`crate::train`].

mod average;
mod builtin;
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
pub use builtin::{USUAL_MODEL, USUAL_TEACHER, builtin_models, is_builtin_model};
pub use error::{CheckpointError, ErrorClass};
pub use header::{Format, Imported, ModelHeader, TrainState};
pub(crate) use header::{Manifest, parse, render};
#[cfg(feature = "formats")]
pub(crate) use model::file_digest;
pub use model::{Damaged, LoadedModel, ModelSummary, load_model, read_header, stage_models};
pub(crate) use model::{first_intact, read_arrays, read_manifest, weights_from};
pub use storage::{Disk, Storage, StoredFile};
pub use which::Which;
pub(crate) use writer::{Writer, arrays_of, save_arrays};
pub use writer::{save_compact_model, save_model};
