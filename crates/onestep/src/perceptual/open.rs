//! Where the weights of a perceptual network come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{PerceptualError, PerceptualKind, PerceptualNetwork, Trunk};
use crate::interop::read_weights;
use crate::model::ModelError;

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
    /// Whether no file is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Puts in the place of files that are not named those that lie in `folder` under the names they are looked for by; a file that
/// lies there under none of them stays unnamed.
pub fn find_weights(kind: PerceptualKind, named: &WeightFiles, folder: &Path) -> WeightFiles {
    let PerceptualKind::Lpips { trunk, .. } = kind else { return named.clone() };
    let find = |named: &Option<PathBuf>, names: &[String]| {
        let there = || names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        named.clone().or_else(there)
    };
    WeightFiles {
        trunk: find(&named.trunk, &trunk_files(trunk)),
        heads: find(&named.heads, &heads_files(trunk)),
    }
}

/// Opens a perceptual network: from the library itself, or from the files named.
///
/// `cache` is the folder that a message about missing files tells people to put them into.
///
/// # Errors
///
/// - [`PerceptualError::Missing`] if a file is not named or not there; it says which, where to get it and where to put it.
/// - [`PerceptualError::Weights`] if one cannot be read.
/// - [`PerceptualError::Network`] if its tensors are not those of the network.
pub fn open(
    kind: PerceptualKind,
    files: &WeightFiles,
    cache: Option<&Path>,
    device: &Device,
) -> Result<PerceptualNetwork, PerceptualError> {
    let PerceptualKind::Lpips { trunk, .. } = kind else { return PerceptualNetwork::builtin(device) };
    let trunk_file = present(&files.trunk, "trunk", trunk, cache)?;
    let heads_file = present(&files.heads, "heads", trunk, cache)?;
    let (mut named, heads) = (read_weights(&trunk_file)?, read_weights(&heads_file)?);
    let of_heads: BTreeSet<String> = heads.keys().cloned().collect();
    named.extend(heads);
    PerceptualNetwork::from_named(kind, named, device).map_err(|source| {
        let is_head = |name: &str| name.starts_with(HEAD) || of_heads.contains(name);
        let file = if tensor(&source).is_some_and(is_head) { &heads_file } else { &trunk_file };
        PerceptualError::Network { name: file.display().to_string(), source }
    })
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

/// The file, if it is there; otherwise where to get it.
fn present(
    named: &Option<PathBuf>,
    part: &'static str,
    trunk: Trunk,
    cache: Option<&Path>,
) -> Result<PathBuf, PerceptualError> {
    let names = if part == "trunk" { trunk_files(trunk) } else { heads_files(trunk) };
    let path = named.clone().unwrap_or_else(|| cache.unwrap_or(Path::new("")).join(&names[0]));
    if path.is_file() {
        return Ok(path);
    }
    let source = match (part, trunk) {
        ("trunk", _) => format!(
            "the trunk of LPIPS has to be fetched once: take `{}` from download.pytorch.org/models, which is torchvision's",
            names[0]
        ),
        (_, trunk) => format!(
            "the heads of LPIPS have to be fetched once: take `lpips/weights/v0.1/{}.pth` out of the PyPI package lpips 0.1.4 \
             (a wheel is a zip)",
            short(trunk)
        ),
    };
    let place = match cache {
        Some(cache) => format!("put it into {} as `{}`, or name it", cache.display(), names[0]),
        None => "and name it".into(),
    };
    let remedy = format!(
        "{source}; {place}: `--set train.distance_files.{part}=FILE`. The distance `st-lpips` is built in and needs no file"
    );
    Err(PerceptualError::Missing { path, remedy })
}

/// The names that the trunk is published under, and that of a safetensors file, in the order they are looked for.
fn trunk_files(trunk: Trunk) -> Vec<String> {
    let (published, plain) = match trunk {
        Trunk::Vgg16 => ("vgg16-397923af.pth", "vgg16.safetensors"),
        Trunk::AlexNet => ("alexnet-owt-7be5be79.pth", "alexnet.safetensors"),
    };
    vec![published.into(), plain.into()]
}

/// The names that the heads are looked for by.
fn heads_files(trunk: Trunk) -> Vec<String> {
    ["pth", "safetensors"].map(|ending| format!("lpips_v0.1_lin_{}.{ending}", short(trunk))).into()
}

fn short(trunk: Trunk) -> &'static str {
    match trunk {
        Trunk::Vgg16 => "vgg",
        Trunk::AlexNet => "alex",
    }
}
