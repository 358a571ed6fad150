//! Files of named arrays that other programs wrote.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::NamedArrays;
use super::array_file::{ArrayFile, SafetensorsFile, read_all, tensors_error};
use super::flax_file::FlaxFile;
use super::other_kind::{other_kind, unknown_kind};
use super::torch_file::{LEGACY_MAGIC, TorchFile};
use crate::arrays::{Rules, TensorFile, TensorFileError};
use crate::file;

/// A file of weights that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsFileError {
    /// The system refuses to give the file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file contradicts itself, or ends too early.
    #[error("{reason}: `{name}`")]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file holds what weights have no need of: programs, bombs.
    #[error("refused, because {reason}: `{name}`")]
    Refused {
        /// The file.
        name: String,
        /// What was met.
        reason: String,
    },
    /// The file is well, but not of a kind that is read here.
    #[error("{reason}: `{name}`")]
    Unsupported {
        /// The file.
        name: String,
        /// What it is and what would be read instead.
        reason: String,
    },
    /// The file is no sound tensor file, or holds a weight that is NaN or infinite.
    #[error("{reason}: `{name}`")]
    Tensors {
        /// The file.
        name: String,
        /// What is wrong with it, with the tensor.
        reason: TensorFileError,
    },
}

/// Reads all named arrays of a file of weights, whatever their type, as f32.
///
/// As [`open_weights`], with all values in memory.
///
/// # Errors
///
/// [`WeightsFileError`], each with the file; a NaN or an infinity is an error as well, and so is a file without tensors.
pub fn read_weights(path: &Path) -> Result<NamedArrays, WeightsFileError> {
    read_all(open_weights(path)?)
}

/// Opens a file of weights: names and shapes are read, values when they are asked for.
///
/// 1. Safetensors.
/// 2. What `torch.save` writes: a zip since 2020, a row of pickles before, and the zip of TorchScript, of which nothing but tensors
///    and their names is looked at. Where the state dict lies one level down (`{"state_dict": {...}, "epoch": 3}`), that level is
///    left out of the names.
/// 3. Pickles of EDM's networks, `network-snapshot-*.pkl` and `training-state-*.pt` ([`EdmFile`](super::EdmFile)): the tensors of
///    the moving average, else of the only network.
/// 4. Checkpoints of flax ([`FlaxFile`]): the moving average, `params_ema`, else `params`.
///
/// Which of them it is, its content says, not its name.
///
/// Pickles are read by a machine that knows the instructions for plain values and the names that stand for tensors; a file
/// that asks for anything else is refused whole, with the name of what it asks for. Nothing in a file is ever run. This is
/// why no crate is used for it: the one that there is keeps what it does not know for an opaque value, and answers a file
/// that only calls `os.system` with an empty list of tensors.
///
/// # Errors
///
/// [`WeightsFileError`], each with the file; a file without tensors is an error as well.
pub fn open_weights(path: &Path) -> Result<Box<dyn ArrayFile>, WeightsFileError> {
    let failed = |source| WeightsFileError::Read { path: path.to_path_buf(), source };
    let name = path.display().to_string();
    let mut file = file::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut start = Vec::new();
    file.by_ref().take(file::START as u64).read_to_end(&mut start).map_err(failed)?;
    if let Some(reason) = other_kind(&start) {
        return Err(WeightsFileError::Unsupported { name, reason: reason.into() });
    }
    if looks_like_safetensors(&start, length) {
        return Ok(Box::new(SafetensorsFile::open(file, length, path)?));
    }
    if is_torch(&start) {
        return Ok(Box::new(TorchFile::open(file, &name)?.into_arrays(None)?));
    }
    if FlaxFile::looks_like(&start) {
        return Ok(Box::new(FlaxFile::open(path)?));
    }
    Err(WeightsFileError::Unsupported { name, reason: unknown_kind(&start).into() })
}

/// Whether a file that begins so is of a kind that only other programs write weights in.
pub(crate) fn is_weights_file(start: &[u8]) -> bool {
    is_torch(start) || FlaxFile::looks_like(start)
}

/// Whether it is a zip or a pickle.
pub(super) fn is_torch(start: &[u8]) -> bool {
    start.starts_with(ZIP_MAGIC) || matches!(start, [0x80, 2..=5, ..])
}

/// What a zip begins with.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// The header's length comes first, then the header, a JSON object.
fn looks_like_safetensors(start: &[u8], length: u64) -> bool {
    let Some((header, rest)) = start.split_first_chunk::<8>() else {
        return false;
    };
    !start.starts_with(ZIP_MAGIC)
        && !start.starts_with(LEGACY_MAGIC)
        && (rest.first() == Some(&b'{') || u64::from_le_bytes(*header).saturating_add(8) <= length)
}

/// Reads the bytes of a safetensors file; `name` is what to call it in errors.
///
/// # Errors
///
/// As [`read_weights`].
pub fn parse_safetensors(bytes: &[u8], name: &str) -> Result<NamedArrays, WeightsFileError> {
    read_safetensors(bytes, bytes.len() as u64, name)
}

fn read_safetensors(input: impl Read, length: u64, name: &str) -> Result<NamedArrays, WeightsFileError> {
    let (named, _) = TensorFile::open(input, length, Rules::FOREIGN)
        .and_then(TensorFile::read)
        .map_err(|reason| tensors_error(name, reason))?;
    if named.is_empty() {
        return Err(WeightsFileError::Damaged { name: name.into(), reason: "it holds no tensors".into() });
    }
    Ok(named)
}
