//! Named arrays: what weights are on their way from and to files.

pub(crate) mod tensors;

use std::collections::BTreeMap;

pub use tensors::TensorFileError;

/// Arrays by name: shape and values in row-major order, as read from a file or about to be written.
pub type NamedArrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;
