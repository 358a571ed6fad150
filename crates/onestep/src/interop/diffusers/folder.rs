//! What lies in a folder of diffusers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::{CONFIG, INDEX};
use crate::interop::{ForeignModel, InteropError, WeightsFileError};
use crate::noise::SamplingLevels;

/// The file of a network's weights, as it is written.
pub(crate) const NETWORK_FILE: &str = "diffusion_pytorch_model.safetensors";

/// Files of a network's weights, the best first.
const WEIGHTS: [&str; 4] = [
    NETWORK_FILE,
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.fp16.bin",
];

/// What is there where the weights are in several files.
const SHARDED: [&str; 2] =
    ["diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.bin.index.json"];

/// The file in which we say of a folder that we wrote what diffusers has no place for.
pub(crate) const RECORD: &str = "onestep.json";

/// Whether a folder holds a pipeline, or a network with its settings.
pub(crate) fn is_pipeline_or_network(path: &Path) -> bool {
    [INDEX, CONFIG].iter().any(|name| path.join(name).is_file())
}

/// The file of the weights in the folder of a network.
pub(super) fn weights_of(folder: &Path) -> Result<PathBuf, InteropError> {
    if let Some(path) = WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(path);
    }
    let name = folder.display().to_string();
    let reason = match SHARDED.iter().any(|name| folder.join(name).is_file()) {
        true => "its weights are in several files; save them as one, with `max_shard_size` above their size"
            .to_owned(),
        false => format!("it holds no file of weights, such as {NETWORK_FILE}"),
    };
    Err(WeightsFileError::Unsupported { name, reason }.into())
}

/// What a folder that we wrote says beside what diffusers reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// How the model was trained.
    pub method: String,
    /// Names of the classes, in order.
    pub class_names: Vec<String>,
    /// Descending noise levels that were found to sample best.
    pub sampling_levels: Option<Vec<f64>>,
}

impl Record {
    /// The record of a folder; none where there is none.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>, InteropError> {
        let path = folder.join(RECORD);
        if !path.is_file() {
            return Ok(None);
        }
        let mut settings = Settings::read(&path)?;
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let levels = settings.take("sampling_levels").filter(|value| !value.is_null());
        let sampling_levels = match levels {
            None => None,
            Some(value) => {
                let levels = serde_json::from_value(value.clone()).ok();
                let levels = levels.filter(|levels: &Vec<f64>| SamplingLevels::new(levels.clone()).is_ok());
                Some(
                    levels.ok_or_else(|| {
                        settings.odd("sampling_levels", &value, "a list of descending levels")
                    })?,
                )
            }
        };
        Ok(Some(Self {
            method: settings.text("method", "")?,
            class_names: settings.list("class_names", &[], text)?,
            sampling_levels,
        }))
    }

    /// Says it of a model.
    pub(super) fn add_to(self, model: &mut ForeignModel) {
        let Self { method, class_names, sampling_levels } = self;
        if !method.is_empty() {
            model.method = method;
        }
        if model.n_classes() == Some(class_names.len()) {
            model.class_names = class_names;
        }
        model.sampling_levels = sampling_levels;
    }
}
