//! What can be wrong with a tensor file.

use std::io;

use super::header::MAX_HEADER_BYTES;

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
    /// The file is of another kind.
    #[error("{what}; a safetensors file is needed")]
    Foreign {
        /// What it is, and what to do about it.
        what: &'static str,
    },
    /// The header is not the JSON it should be; also a duplicate name, or too many tensors.
    #[error("the header is not valid: {reason}")]
    BadHeader {
        /// What the parser says, with the name of the tensor where there is one.
        reason: serde_json::Error,
    },
    /// The metadata is not the one string this tool writes.
    #[error(
        "the file was not written by onestep (no single `onestep` entry in its metadata); models of other programs are not read"
    )]
    NotOurs,
    /// A tensor of a type that is not read from such a file.
    #[error("tensor `{name}` has type {found}; only {} read", are(readable))]
    WrongType {
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: String,
        /// The types that are read.
        readable: Vec<&'static str>,
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
    /// The system could not read or write the file.
    #[error("the system cannot read or write the file ({0})")]
    Io(#[from] io::Error),
}

/// For whoever writes a file by a function that knows errors of the system alone.
impl From<TensorFileError> for io::Error {
    fn from(error: TensorFileError) -> Self {
        match error {
            TensorFileError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// Types with the verb: `F32 is`, `F32, I64 are`.
fn are(types: &[&str]) -> String {
    format!("{} {}", types.join(", "), if types.len() == 1 { "is" } else { "are" })
}
