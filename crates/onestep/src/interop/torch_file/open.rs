//! Opening a file of PyTorch, of whichever of its three kinds.

use std::fs::File;
use std::io::{Read, Seek};

use super::contents::Contents;
use super::legacy::{self, LEGACY_MAGIC};
use super::memory::{Memory, TorchArrays};
use super::network::Network;
use super::pickle::Torch;
use super::problem::Problem;
use super::zip;
use crate::file::Input;
use crate::interop::WeightsFileError;
use crate::interop::edm_object::EdmObject;
use crate::pickle::{Limits, Machine};

/// A file of PyTorch whose pickle has been looked through.
#[derive(Debug)]
pub(in crate::interop) struct TorchFile {
    name: String,
    memory: Memory,
    contents: Contents,
}

impl TorchFile {
    /// Looks through a file that errors call `name`. No value is read.
    pub(in crate::interop) fn open(mut file: File, name: &str) -> Result<Self, WeightsFileError> {
        let opened = Self::contents(&mut file).and_then(|contents| match contents {
            Some(contents) => Ok((Memory::File(file), contents)),
            None => zip::open(file),
        });
        let (memory, contents) = opened.map_err(|problem| problem.of(name))?;
        Ok(Self { name: name.to_owned(), memory, contents })
    }

    /// What a file without a zip around it holds; none for a zip.
    fn contents(file: &mut File) -> Result<Option<Contents>, Problem> {
        let unreadable =
            |error: std::io::Error| Problem::Broken(format!("the system cannot read it ({error})"));
        let length = file.metadata().map_err(unreadable)?.len();
        let mut start = Vec::new();
        file.rewind().map_err(unreadable)?;
        file.by_ref().take(LEGACY_MAGIC.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
        if start.starts_with(b"PK") {
            return Ok(None);
        }
        let input = Input::file(file, length);
        if start == LEGACY_MAGIC {
            return legacy::contents(input).map(Some);
        }
        let mut machine = Machine::<Torch>::new(input, Limits::FILE);
        let root = machine.run().map_err(Problem::of_pickle)?;
        Contents::of(&machine, root).map(Some)
    }

    /// The networks of EDM that it holds: under which key, the object, and the network within it.
    pub(in crate::interop) fn networks(
        &self,
    ) -> impl Iterator<Item = (&str, &EdmObject, Option<&EdmObject>)> {
        let networks: &[Network] = match &self.contents {
            Contents::Networks(networks) => networks,
            Contents::StateDict(_) => &[],
        };
        networks.iter().map(|network| (network.key.as_str(), &network.object, network.inner.as_ref()))
    }

    /// The tensors of its state dict, or of one of its networks: that of this key, else the moving average, else the only one.
    pub(in crate::interop) fn into_arrays(self, key: Option<&str>) -> Result<TorchArrays, WeightsFileError> {
        let Self { name, memory, contents } = self;
        let tensors = match (contents, key) {
            (Contents::StateDict(tensors), None) => Ok(tensors),
            (Contents::StateDict(_), Some(key)) => {
                Err(Problem::Other(format!("it holds no network `{key}`")))
            }
            (Contents::Networks(mut networks), key) => {
                let found = networks.iter().position(|network| network.key == key.unwrap_or(MOVING_AVERAGE));
                let only = (key.is_none() && networks.len() == 1).then_some(0);
                let keys: Vec<_> = networks.iter().map(|network| format!("`{}`", network.key)).collect();
                match found.or(only) {
                    Some(index) => Ok(networks.swap_remove(index).tensors),
                    None => Err(Problem::Other(match key {
                        Some(key) => format!("it holds no network `{key}`, but {}", keys.join(", ")),
                        None => format!("it holds several networks, {}", keys.join(", ")),
                    })),
                }
            }
        };
        let arrays = tensors.and_then(|tensors| TorchArrays::new(&name, memory, tensors));
        arrays.map_err(|problem| problem.of(&name))
    }
}

/// What EDM calls the network that samples are drawn with.
const MOVING_AVERAGE: &str = "ema";
