//! Tensor files: safetensors with one metadata string, read strictly and written byte for byte the same.
//!
//! A file is the length of a JSON header (8 bytes, little endian), the header, and the values. The rules here are
//! narrower than the format's: f32 only, exactly one metadata key, no duplicate names, finite values, and every error
//! names the tensor. The header is read before any value is, and no length in it is believed before it has been
//! compared with the length of the file.

use std::io;

use serde::{Deserialize, Serialize};

mod reader;
mod writer;

pub(crate) use reader::TensorFile;
pub(crate) use writer::{NamedTensor, WriteError, write_tensors};

/// The one metadata key.
const METADATA_KEY: &str = "onestep";
/// The format's own key for metadata.
const METADATA: &str = "__metadata__";
/// The format allows 100,000,000; the largest real model needs a thousandth.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The largest real model has about two thousand.
const MAX_TENSORS: usize = 65_536;
/// Values converted at a time.
const CHUNK: usize = 16_384;

/// A tensor file that breaks the rules of its format or of this tool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// The file ends before its header or its values do.
    #[error("the file is cut short: {found} bytes of {expected}")]
    Truncated {
        /// Bytes the file should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The file goes on after its last tensor.
    #[error("the file has {extra} bytes after its last tensor")]
    Trailing {
        /// Bytes too many.
        extra: u64,
    },
    /// The header claims to be larger than any real one.
    #[error(
        "the header claims {bytes} bytes, {MAX_HEADER_BYTES} is the most a real one has; not a safetensors file?"
    )]
    HeaderTooLarge {
        /// Bytes claimed.
        bytes: u64,
    },
    /// The header is not the JSON it should be; also a duplicate name, or too many tensors.
    #[error("the header is not valid: {reason}")]
    BadHeader {
        /// What the parser says, with the name of the tensor where there is one.
        reason: serde_json::Error,
    },
    /// The metadata is not the one string this tool writes.
    #[error(
        "the file was not written by onestep (no single `onestep` entry in its metadata); `onestep import` converts others"
    )]
    NotOurs,
    /// A tensor of another type.
    #[error("tensor `{name}` has type {found}; only F32 is read")]
    WrongType {
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A tensor whose place in the file overlaps another, leaves a hole, or does not have the size of its shape.
    #[error("tensor `{name}` of shape {shape:?} cannot lie at bytes {start} to {end}")]
    WrongPlace {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
    },
    /// A value that is NaN or infinite.
    #[error("tensor `{name}` holds a value that is not finite at index {index}")]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// Flat index of the first such value.
        index: usize,
    },
    /// The system could not read the file.
    #[error("cannot read the file ({0})")]
    Io(#[from] io::Error),
}

/// What the header says about one tensor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}
