//! Files of weights: found by name, opened, and told apart.

use std::path::{Path, PathBuf};

use super::VisionError;
use crate::arrays::NamedArrays;
use crate::digest::hex;
use crate::interop::parse_safetensors;
use crate::model::ModelError;

/// The first file of a folder that has one of these names.
pub(crate) fn find(folder: &Path, names: &[impl AsRef<str>]) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name.as_ref())).find(|path| path.is_file())
}

/// A network of the weights that come with this library, which errors call `name`.
pub(crate) fn builtin<T>(
    name: &str,
    weights: Option<&[u8]>,
    build: impl FnOnce(NamedArrays) -> Result<T, ModelError>,
) -> Result<T, VisionError> {
    let weights = weights.ok_or_else(|| VisionError::NotBuiltIn { name: name.to_owned() })?;
    fitted(name, build(parse_safetensors(weights, name)?))
}

/// A network, or what does not fit together with the name of the file.
pub(crate) fn fitted<T>(name: &str, network: Result<T, ModelError>) -> Result<T, VisionError> {
    network.map_err(|source| VisionError::Network { name: name.to_owned(), source })
}

/// What tells one set of weights from another: the first digits of the digest of its names and values.
pub(crate) fn digest<'a>(
    arrays: impl IntoIterator<Item = (&'a String, &'a (Vec<usize>, Vec<f32>))>,
) -> String {
    let mut bytes = Vec::new();
    for (name, (_, values)) in arrays {
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(hex(&values).as_bytes());
    }
    hex(&bytes)[..8].to_owned()
}
