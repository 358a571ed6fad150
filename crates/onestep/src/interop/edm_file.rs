//! Files that EDM and its descendants write: pickles of whole networks, with the source of their classes.
//!
//! `network-snapshot-*.pkl` holds the moving average under `ema`; `training-state-*.pt` the network in training under `net`.
//! The source in them is never looked at: classes are known by name, and tensors by the attributes that PyTorch's modules have.

use std::path::Path;

use super::edm_object::EdmObject;
use super::torch_file::TorchFile;
use super::{ArrayFile, WeightsFileError};
use crate::file;

/// A file with networks of EDM.
#[derive(Debug)]
pub struct EdmFile {
    networks: Vec<EdmNetwork>,
    file: TorchFile,
}

/// A network in such a file.
#[derive(Debug, Clone, PartialEq)]
pub struct EdmNetwork {
    /// Under which key it lies: `ema`, `net`; empty where the file is the network itself.
    pub key: String,
    /// The network with its preconditioning around it: class and arguments.
    pub object: EdmObject,
    /// The network within, which the other calls `model`; none where there is no such thing.
    pub inner: Option<EdmObject>,
}

impl EdmFile {
    /// Looks through a file; no value is read.
    ///
    /// # Errors
    ///
    /// [`WeightsFileError`], with the name of what the file asks for where that is no part of a network.
    pub fn open(path: &Path) -> Result<Self, WeightsFileError> {
        let failed = |source| WeightsFileError::Read { path: path.to_path_buf(), source };
        let name = path.display().to_string();
        Ok(Self::of(TorchFile::open(file::open(path).map_err(failed)?, &name)?))
    }

    /// The networks of a file that has been looked through.
    pub(super) fn of(file: TorchFile) -> Self {
        let network = |(key, object, inner): (&str, &EdmObject, Option<&EdmObject>)| EdmNetwork {
            key: key.to_owned(),
            object: object.clone(),
            inner: inner.cloned(),
        };
        Self { networks: file.networks().map(network).collect(), file }
    }

    /// The networks that it holds; none in a plain state dict.
    pub fn networks(&self) -> &[EdmNetwork] {
        &self.networks
    }

    /// The network that samples are drawn with: the moving average, else the only one.
    pub fn network(&self) -> Option<&EdmNetwork> {
        let average = self.networks.iter().find(|network| network.key == "ema");
        average.or(match &self.networks[..] {
            [only] => Some(only),
            _ => None,
        })
    }

    /// The tensors of one network, by the names of its state dict, such as `model.enc.32x32_conv.weight`.
    ///
    /// Without a key, those of [`EdmFile::network`]; and where the file is a plain state dict, those.
    ///
    /// # Errors
    ///
    /// [`WeightsFileError`]: no such network, several, or tensors that do not lie in their memory.
    pub fn into_arrays(self, key: Option<&str>) -> Result<Box<dyn ArrayFile>, WeightsFileError> {
        Ok(Box::new(self.file.into_arrays(key)?))
    }
}
