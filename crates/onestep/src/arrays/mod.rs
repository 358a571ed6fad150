//! Named arrays: what weights are on their way from and to files.
//!
//! 1. [`NamedArrays`] are the arrays themselves.
//! 2. `TensorFile` reads safetensors, the one reader for all of them: models and states of this tool, statistics, what others
//!    wrote. `Rules` say what is allowed in which.
//! 3. `write_tensors` writes them, the same arrays as the same bytes.
//! 4. [`TensorFileError`] is what is wrong with one, and names the tensor.
//!
//! A file is the length of a JSON header (8 bytes, little endian), the header, and the values. The header is read before any
//! value is, and no length in it is believed before it has been compared with the length of the file.
//!
//! The crate `safetensors` is not used for this, although the format is its own and the tests compare with it: it wants a
//! whole file in memory, beside the numbers that are made of it, keeps the last of two tensors of one name without a word,
//! and its errors do not name the tensor. A model here is read and written one tensor at a time.

mod element;
mod error;
mod header;
mod reader;
mod writer;

use std::collections::BTreeMap;

pub(crate) use element::Element;
pub use error::TensorFileError;
pub(crate) use header::Rules;
pub(crate) use reader::{RawArray, TensorFile};
pub(crate) use writer::{Array, Layout, Values, write_foreign, write_tensors};

/// Arrays by name: shape and values in row-major order, as read from a file or about to be written.
pub type NamedArrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Numbers converted at a time.
const CHUNK: usize = 16_384;

/// Refuses an array that holds NaN or infinity.
pub(crate) fn all_finite(name: &str, values: &[f32]) -> Result<(), TensorFileError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(TensorFileError::NotFinite { name: name.to_owned(), index }),
        None => Ok(()),
    }
}
