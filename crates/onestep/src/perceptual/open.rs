//! Where the weights of a perceptual network come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{PerceptualError, PerceptualKind, PerceptualNetwork, Trunk};
use crate::interop::read_weights;
use crate::model::ModelError;
use crate::vision::{VisionError, find, fitted};

/// The two files that LPIPS is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeightFiles {
    /// The classifier, in torchvision's names: what torchvision publishes, or safetensors with the same names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trunk: Option<PathBuf>,
    /// The heads, in the names of the lpips package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<PathBuf>,
}

impl WeightFiles {
    /// Whether neither trunk nor heads are named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Completes the files named by those that lie in `folder` under the names they are published by.
///
/// Nothing is read. A kind that comes with the library has no files, and what is named is returned as it is.
///
/// # Errors
///
/// [`VisionError::Missing`], as [`PerceptualError::Vision`], if a file is neither there nor in the folder; it says which, where to get it and where to put it.
pub fn find_weights(
    kind: PerceptualKind,
    named: &WeightFiles,
    folder: &Path,
) -> Result<WeightFiles, PerceptualError> {
    let PerceptualKind::Lpips { trunk, .. } = kind else { return Ok(named.clone()) };
    Ok(WeightFiles {
        trunk: Some(Part::Trunk.find(trunk, &named.trunk, Some(folder))?),
        heads: Some(Part::Heads.find(trunk, &named.heads, Some(folder))?),
    })
}

/// Opens a perceptual network: from the library itself, or from the files named.
///
/// # Errors
///
/// - [`VisionError::Missing`] if a file is not named or not there; it says where to get it.
/// - [`VisionError::Weights`] if one cannot be read.
/// - [`VisionError::Network`] if its tensors are not those of the network.
pub fn open(
    kind: PerceptualKind,
    files: &WeightFiles,
    device: &Device,
) -> Result<PerceptualNetwork, PerceptualError> {
    let PerceptualKind::Lpips { trunk, .. } = kind else { return PerceptualNetwork::builtin(device) };
    let trunk_file = Part::Trunk.find(trunk, &files.trunk, None)?;
    let heads_file = Part::Heads.find(trunk, &files.heads, None)?;
    let read = |file: &Path| read_weights(file).map_err(VisionError::from);
    let (mut named, heads) = (read(&trunk_file)?, read(&heads_file)?);
    let of_heads: BTreeSet<String> = heads.keys().cloned().collect();
    named.extend(heads);
    let network = PerceptualNetwork::from_named(kind, named, device);
    let is_head = |name: &str| name.starts_with(HEAD) || of_heads.contains(name);
    let of_head = network.as_ref().err().and_then(tensor).is_some_and(is_head);
    Ok(fitted(&if of_head { heads_file } else { trunk_file }.display().to_string(), network)?)
}

/// What the names of the heads begin with.
const HEAD: &str = "lin";

/// The tensor that an error is about.
fn tensor(error: &ModelError) -> Option<&str> {
    match error {
        ModelError::MissingTensor { name, .. }
        | ModelError::ExtraTensor { name }
        | ModelError::WrongShape { name, .. }
        | ModelError::NotFinite { name, .. } => Some(name),
        _ => None,
    }
}

/// One of the two files.
#[derive(Debug, Clone, Copy)]
enum Part {
    Trunk,
    Heads,
}

impl Part {
    /// The file that is named, or the first in the folder of those it may be called.
    fn find(
        self,
        trunk: Trunk,
        named: &Option<PathBuf>,
        folder: Option<&Path>,
    ) -> Result<PathBuf, VisionError> {
        let names = self.names(trunk);
        let found = match (named, folder) {
            (Some(named), _) => Some(named.clone()).filter(|path| path.is_file()),
            (None, Some(folder)) => find(folder, &names),
            (None, None) => None,
        };
        // Paths go into recipes, which are text.
        if let Some(found) = found.filter(|path| path.to_str().is_some()) {
            return Ok(found);
        }
        let path = named.clone().unwrap_or_else(|| folder.unwrap_or(Path::new("")).join(&names[0]));
        Err(VisionError::Missing { path, remedy: self.remedy(trunk, &names[0], folder) })
    }

    fn remedy(self, trunk: Trunk, name: &str, folder: Option<&Path>) -> String {
        let (source, key) = match self {
            Self::Trunk => {
                let source =
                    format!("take `{name}` from download.pytorch.org/models, which is torchvision's");
                (format!("the trunk of LPIPS has to be fetched once: {source}"), "trunk")
            }
            Self::Heads => {
                let net = short(trunk);
                let source = format!(
                    "take `lpips/weights/v0.1/{net}.pth` out of the PyPI package lpips 0.1.4 (a wheel is a zip)"
                );
                (format!("the heads of LPIPS have to be fetched once: {source}"), "heads")
            }
        };
        let place = match folder {
            Some(folder) => format!("put it into {} as `{name}`, or name it", folder.display()),
            None => "name it".into(),
        };
        format!(
            "{source}; {place}: `train.distance_files.{key}`. The distance `st-lpips` is built in and needs no file"
        )
    }

    /// The names it is looked for by: the one it is published under, and that of a safetensors file.
    fn names(self, trunk: Trunk) -> [String; 2] {
        match (self, trunk) {
            (Self::Trunk, Trunk::Vgg16) => ["vgg16-397923af.pth".into(), "vgg16.safetensors".into()],
            (Self::Trunk, Trunk::AlexNet) => {
                ["alexnet-owt-7be5be79.pth".into(), "alexnet.safetensors".into()]
            }
            // Published as `vgg.pth`, which says too little beside other files.
            (Self::Heads, _) => {
                ["pth", "safetensors"].map(|ending| format!("lpips_v0.1_lin_{}.{ending}", short(trunk)))
            }
        }
    }
}

fn short(trunk: Trunk) -> &'static str {
    match trunk {
        Trunk::Vgg16 => "vgg",
        Trunk::AlexNet => "alex",
    }
}
