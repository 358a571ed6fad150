//! Files of named arrays that other programs wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use super::element::Element;
use super::{NamedArrays, torch_file};

/// A header of more than this is none: the largest real model needs a hundredth.
const MAX_HEADER: u64 = 16 << 20;

/// A file of weights that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsFileError {
    /// The system refuses to give it.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It contradicts itself, or ends too early.
    #[error("{reason}: `{name}`")]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It holds what a file of weights has no need of: programs, bombs.
    #[error("refused, because {reason}: `{name}`")]
    Refused {
        /// The file.
        name: String,
        /// What was met.
        reason: String,
    },
    /// It is well, but not of a kind that is read here.
    #[error("{reason}: `{name}`")]
    Unsupported {
        /// The file.
        name: String,
        /// What it is and what would be read instead.
        reason: String,
    },
    /// A weight is NaN or infinite.
    #[error("tensor `{tensor}` holds a value that is not finite at index {index}: `{name}`")]
    NotFinite {
        /// The file.
        name: String,
        /// Name of the tensor.
        tensor: String,
        /// Flat index of the first such value.
        index: usize,
    },
}

/// Reads all named arrays of a file of weights, whatever their type, as f32.
///
/// Safetensors, and what `torch.save` writes: a zip since 2020, a row of pickles before, and the zip of TorchScript, of which
/// nothing but tensors and their names is looked at. Which of them it is, its content says, not its name. Where the state
/// dict lies one level down (`{"state_dict": {...}, "epoch": 3}`), that level is left out of the names.
///
/// Pickles are read by a machine that knows the instructions for plain values and the names that stand for tensors; a file
/// that asks for anything else is refused whole, with the name of what it asks for. Nothing in a file is ever run. This is
/// why no crate is used for it: the one that there is keeps what it does not know for an opaque value, and answers a file
/// that only calls `os.system` with an empty list of tensors.
///
/// # Errors
///
/// [`WeightsFileError`], each with the file; a NaN or an infinity is an error as well, and so is a file without tensors.
pub fn read_weights(path: &Path) -> Result<NamedArrays, WeightsFileError> {
    let failed = |source| WeightsFileError::Read { path: path.to_path_buf(), source };
    let name = path.display().to_string();
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut start = Vec::new();
    file.by_ref().take(16).read_to_end(&mut start).map_err(failed)?;
    let named = if start.starts_with(b"PK\x03\x04") {
        torch_file::read_zip(path)
    } else if start.starts_with(torch_file::LEGACY_MAGIC) {
        torch_file::read_legacy(&std::fs::read(path).map_err(failed)?).map_err(|problem| problem.of(&name))
    } else if looks_like_safetensors(&start, length) {
        return parse_safetensors(&std::fs::read(path).map_err(failed)?, &name);
    } else {
        let reason = match &start[..] {
            [] => "the file is empty",
            [0x80, 2..=5, ..] => "this is a bare pickle; safetensors and files of `torch.save` are read",
            _ => "this is neither safetensors nor a file of `torch.save`",
        };
        Err(WeightsFileError::Unsupported { name: name.clone(), reason: reason.into() })
    }?;
    finite(named, &name)
}

/// The header's length comes first, then the header, a JSON object.
fn looks_like_safetensors(start: &[u8], length: u64) -> bool {
    let Some((header, rest)) = start.split_first_chunk::<8>() else {
        return false;
    };
    rest.first() == Some(&b'{') || u64::from_le_bytes(*header).saturating_add(8) <= length
}

/// Reads the bytes of a safetensors file; `name` is what to call it in errors.
///
/// # Errors
///
/// As [`read_weights`].
pub fn parse_safetensors(bytes: &[u8], name: &str) -> Result<NamedArrays, WeightsFileError> {
    let damaged = |reason: String| WeightsFileError::Damaged { name: name.into(), reason };
    if let Some((header, _)) = bytes.split_first_chunk::<8>() {
        let header = u64::from_le_bytes(*header);
        if header > MAX_HEADER {
            return Err(damaged(format!("its header claims {header} bytes, over {}", MAX_HEADER)));
        }
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut named = BTreeMap::new();
    for (tensor, view) in tensors.iter() {
        let element = Element::of_safetensors(view.dtype()).ok_or_else(|| WeightsFileError::Unsupported {
            name: name.into(),
            reason: format!("tensor `{tensor}` has type {:?}, which is not read", view.dtype()),
        })?;
        named.insert(tensor.to_owned(), (view.shape().to_vec(), element.values(view.data())));
    }
    if named.is_empty() {
        return Err(damaged("it holds no tensors".into()));
    }
    finite(named, name)
}

fn finite(named: NamedArrays, name: &str) -> Result<NamedArrays, WeightsFileError> {
    for (tensor, (_, values)) in &named {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(WeightsFileError::NotFinite { name: name.into(), tensor: tensor.clone(), index });
        }
    }
    Ok(named)
}
