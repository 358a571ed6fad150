//! What the files of a checkpoint say about themselves, as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::seal::opened;
use super::{AverageConfig, CheckpointError};
use crate::model::{Architecture, GuidanceRange, ModelKind, NoiseRange, Preconditioning};
use crate::sample::SamplingProfile;

/// The format this version writes, and the newest it reads.
const FORMAT: u64 = 1;

/// The format's number in a file. There is one so far: 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Format;

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(FORMAT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            FORMAT => Ok(Self),
            other => Err(D::Error::custom(format_args!("format {other} does not exist"))),
        }
    }
}

/// The header of a model file: everything needed to use the weights, so that nothing is asked again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelHeader {
    /// Version of this header.
    pub format: Format,
    /// The network.
    pub architecture: Architecture,
    /// What makes a denoiser of it.
    pub preconditioning: Preconditioning,
    /// What kind of model it is, which decides how it is sampled from.
    pub kind: ModelKind,
    /// Smallest noise level of training: standard deviation in the units of the data.
    pub sigma_min: f64,
    /// Largest noise level of training.
    pub sigma_max: f64,
    /// Standard deviation of the data.
    pub sigma_data: f64,
    /// Exponent of the noise levels' spacing.
    pub rho: f64,
    /// Names of the classes, in order; empty for unconditional models.
    pub class_names: Vec<String>,
    /// How it was trained: `edm`, `cd`, `ct`, ...
    pub method: String,
    /// What it was trained on.
    pub data: String,
    /// Images seen in training.
    pub images_seen: u64,
    /// Updates taken in training.
    pub step: u64,
    /// Program and version that wrote the file.
    pub tool: String,
    /// Descending noise levels that were found to sample best, if someone searched.
    pub sampling_levels: Option<Vec<f64>>,
    /// The same for editing, by the name of the task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub task_levels: BTreeMap<String, Vec<f64>>,
    /// Whether samples without a class were part of its training, so that it can be guided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub null_class: bool,
    /// The guidance scales that it was distilled at; none where its teacher was not guided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<GuidanceRange>,
    /// Where it was imported from; none for a model that was trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// The file of another program that a model was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Whose names its tensors have.
    pub family: String,
    /// Name of the file, without its folder.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

impl ModelHeader {
    /// Reads the header of the model file at `path`.
    ///
    /// Files written before headers named the kind of model are read as what their method implies.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, CheckpointError> {
        let text = opened(text);
        match with_kind(&text) {
            Some(text) => parse("model header", path, &text),
            None => parse("model header", path, &text),
        }
    }

    /// The noise that the model was made for.
    pub fn range(&self) -> NoiseRange {
        let &Self { sigma_min, sigma_max, sigma_data, .. } = self;
        NoiseRange { sigma_min, sigma_max, sigma_data }
    }

    /// Whether the model knows what an image without a class is, as guidance asks it: it was trained to, or it is a
    /// class-conditional network of EDM, whose reference asks all of them so.
    pub fn knows_null_class(&self) -> bool {
        let of_edm = matches!(self.architecture, Architecture::Song(_) | Architecture::Dhariwal(_));
        self.null_class || (self.imported.is_some() && of_edm)
    }

    /// What decides how the model is sampled from.
    pub fn profile(&self) -> SamplingProfile {
        SamplingProfile {
            kind: self.kind,
            preconditioning: self.preconditioning,
            range: self.range(),
            rho: self.rho,
            levels: self.sampling_levels.clone(),
        }
    }
}

/// An older header with the kind of its model put in; none for a header that has it, or is none.
fn with_kind(text: &str) -> Option<String> {
    let mut header: serde_json::Value = serde_json::from_str(text).ok()?;
    let fields = header.as_object_mut().filter(|fields| !fields.contains_key("kind"))?;
    let kind = match fields.get("method")?.as_str()? {
        "pd" => ModelKind::Progressive,
        "edm" | "trigflow" => ModelKind::Diffusion,
        _ => ModelKind::Consistency,
    };
    fields.insert("kind".into(), serde_json::to_value(kind).ok()?);
    serde_json::to_string(&header).ok()
}

/// The place of a run that the weights do not tell.
///
/// Random numbers and the order of the data are functions of the seed and of these counts, so there is no generator
/// and no cursor to save.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Training steps taken, skipped ones included.
    pub step: u64,
    /// Images seen.
    pub images_seen: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Updates skipped because a gradient was not finite.
    pub skipped_updates: u64,
    /// How many of them came just now, one after the other.
    pub consecutive_bad: u64,
    /// The complete recipe as TOML, to tell what has changed when the run goes on; none in checkpoints of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// What checkpoints of earlier versions have in place of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe_digest: Option<String>,
    /// Fingerprint of the data, to notice that they have changed.
    pub data_fingerprint: String,
    /// SHA-256 of the teacher's file, to notice another one; none where there is no teacher, or no file of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Numbers of images that could not be read when they were wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bad_images: Vec<usize>,
    /// Fingerprint of the data without them, by which data are known again in which they were replaced or removed; there where
    /// they have ended the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_fingerprint: Option<String>,
    /// Program and version of the run.
    pub tool: String,
}

/// `state.json`: the last file of a step folder, which vouches for all the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub format: Format,
    pub state: TrainState,
    /// The averages in the order of the recipe; the first is the one to use.
    pub averages: Vec<AverageConfig>,
    /// SHA-256 of every other file, by name.
    pub files: BTreeMap<String, String>,
}

/// Reads JSON of this or an older format.
pub(crate) fn parse<T: DeserializeOwned>(
    what: &'static str,
    path: &Path,
    text: &str,
) -> Result<T, CheckpointError> {
    /// The one field that every later format will keep.
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let bad = |reason| CheckpointError::BadJson { what, path: path.to_path_buf(), reason };
    // Looked at first: what a newer version has added would otherwise be reported as an unknown field.
    let Version { format } = serde_json::from_str(text).map_err(bad)?;
    if format > FORMAT {
        return Err(CheckpointError::NewerFormat {
            path: path.to_path_buf(),
            found: format,
            supported: FORMAT,
        });
    }
    serde_json::from_str(text).map_err(bad)
}

/// Writes JSON that is known to be readable: a NaN would become a `null` that nobody could load.
pub(crate) fn render<T: Serialize + DeserializeOwned>(
    what: &'static str,
    path: &Path,
    value: &T,
) -> Result<String, CheckpointError> {
    let text = serde_json::to_string(value).map_err(|reason| CheckpointError::BadJson {
        what,
        path: path.to_path_buf(),
        reason,
    })?;
    parse::<T>(what, path, &text)?;
    Ok(text)
}
