//! Folders of diffusers: a network, `UNet2DModel`, and a scheduler that says what it was trained for.
//!
//! ```text
//! folder/
//!   model_index.json                 which pipeline, and of which parts
//!   scheduler/scheduler_config.json  form and noise
//!   unet/config.json                 the network
//!   unet/diffusion_pytorch_model.safetensors
//! ```
//!
//! The first published pipelines have all files in one folder. The folder of a network alone is read as well, and its file where the settings lie beside it; form and noise are then to be said.

mod folder;
mod names;
mod scheduler;
mod settings;
mod unet;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::settings::Settings;
use super::foreign::{take_own_outputs, time_scale};
use super::inference::{self, Shapes};
use super::noise::Noise;
use super::{ArrayFile, Choices, Family, ForeignModel, Form, InteropError, NameMap, open_weights};
use crate::model::network::AdmConfig;
use crate::model::{Architecture, ModelKind, NoiseRange, Preconditioning};

/// What describes a pipeline.
const INDEX: &str = "model_index.json";
/// The folder of the network in that of a pipeline.
const UNET: &str = "unet";
/// What describes a network.
const CONFIG: &str = "config.json";
/// The folder of the scheduler.
const SCHEDULER: &str = "scheduler";
/// What describes a scheduler.
const SCHEDULER_CONFIG: &str = "scheduler_config.json";

/// Pipelines of one network without text: what they are made of is read, and how they sample is left to their scheduler.
const PIPELINES: [&str; 4] = ["ConsistencyModelPipeline", "DDPMPipeline", "DDIMPipeline", "PNDMPipeline"];

pub(crate) use folder::{NETWORK_FILE, RECORD, Record, is_pipeline_or_network};

/// Whether tensors have the names of `UNet2DModel`.
pub(super) fn is_diffusers(shapes: Shapes<'_>) -> bool {
    shapes.has("time_embedding.linear_1.weight") && shapes.has_prefix("down_blocks.")
}

/// Opens the folder of a pipeline or of a network.
///
/// # Errors
///
/// [`InteropError`]: another pipeline, a setting that is not known here, a file that is missing or cannot be read.
pub(super) fn open_folder(path: &Path, choices: &Choices) -> Result<ForeignModel, InteropError> {
    if !path.join(INDEX).is_file() {
        let weights = folder::weights_of(path)?;
        let file = open_weights(&weights)?;
        return in_folder(path, weights, file, choices.noise_of(path)?, choices);
    }
    let class = pipeline(&path.join(INDEX))?;
    let noise = scheduler_of(path)?;
    let is_consistency = class == PIPELINES[0];
    if is_consistency != (noise.kind == ModelKind::Consistency) {
        let what = format!("a `{class}` with the scheduler of another kind of model, in {}", path.display());
        let why = "a `ConsistencyModelPipeline` has a `CMStochasticIterativeScheduler`, and no other pipeline has it";
        return Err(InteropError::Unsupported { what, why: why.into() });
    }
    let unet = part_of(path, UNET, CONFIG);
    let weights = folder::weights_of(&unet)?;
    let file = open_weights(&weights)?;
    let mut model = in_folder(&unet, weights, file, noise, choices)?;
    if let Some(record) = Record::find(path)? {
        record.add_to(&mut model);
    }
    Ok(model)
}

/// A file with the names of `UNet2DModel`: with the settings that lie beside it, or else by names and shapes.
///
/// # Errors
///
/// As [`open_folder`]; [`InteropError::Undecided`] and [`InteropError::Unsupported`] for what neither settings nor shapes say.
pub(super) fn open_file(
    path: &Path,
    file: Box<dyn ArrayFile>,
    choices: &Choices,
) -> Result<ForeignModel, InteropError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let above = folder.join("..");
    if !folder.join(CONFIG).is_file() {
        let config = inference::diffusers(Shapes(file.shapes()), choices)?;
        return of_config(config, path.to_path_buf(), file, choices.noise_of(path)?);
    }
    let noise = match choices.form {
        None if folder.join(INDEX).is_file() => scheduler_of(folder)?,
        None if above.join(INDEX).is_file() => scheduler_of(&above)?,
        _ => choices.noise_of(path)?,
    };
    in_folder(folder, path.to_path_buf(), file, noise, choices)
}

/// The noise of a pipeline's scheduler.
fn scheduler_of(pipeline: &Path) -> Result<Noise, InteropError> {
    scheduler::noise(Settings::read(&part_of(pipeline, SCHEDULER, SCHEDULER_CONFIG).join(SCHEDULER_CONFIG))?)
}

/// The folder of a part of a pipeline: one of its own, but where that has no settings and the pipeline's has, as in the first ones
/// that were published.
fn part_of(pipeline: &Path, part: &str, config: &str) -> PathBuf {
    let own = pipeline.join(part);
    if !own.join(config).is_file() && pipeline.join(config).is_file() { pipeline.to_path_buf() } else { own }
}

/// The class of a pipeline that consists of a network and a scheduler.
fn pipeline(path: &Path) -> Result<String, InteropError> {
    let mut index = Settings::read(path)?;
    let class = index.text("_class_name", "")?;
    if !PIPELINES.contains(&&class[..]) {
        let why = format!("pipelines of one `UNet2DModel` are read: {}", PIPELINES.join(", "));
        return Err(index.unsupported("_class_name", &json!(class), &why));
    }
    let part = |value: &Value| Some([value.get(0)?.as_str()?.to_owned(), value.get(1)?.as_str()?.to_owned()]);
    match index.take("unet").as_ref().and_then(part) {
        Some([_, network]) if network == "UNet2DModel" => {}
        Some(other) => {
            return Err(index.unsupported("unet", &json!(other), "networks of `UNet2DModel` are read"));
        }
        None => {
            let reason = "`unet` is missing, the network of the pipeline".to_owned();
            return Err(InteropError::Settings { file: index.file().to_owned(), reason });
        }
    }
    index.take("scheduler");
    index.finish()?;
    Ok(class)
}

/// A network with its settings in `folder`.
fn in_folder(
    folder: &Path,
    weights: PathBuf,
    file: Box<dyn ArrayFile>,
    noise: Noise,
    choices: &Choices,
) -> Result<ForeignModel, InteropError> {
    let settings = Settings::read(&folder.join(CONFIG))?;
    let name = settings.file().to_owned();
    let config = unet::config(settings, time_scale(noise.preconditioning), choices)?;
    // Each block is some tensors: a network of more than the file holds is not laid out at all.
    if config.num_res_blocks.saturating_mul(config.channel_mult.len()) > file.shapes().len() {
        let reason = format!(
            "{} levels of {} blocks are more than {} tensors are",
            config.channel_mult.len(),
            config.num_res_blocks,
            file.shapes().len()
        );
        return Err(InteropError::Settings { file: name, reason });
    }
    of_config(config, weights, file, noise)
}

fn of_config(
    mut config: AdmConfig,
    weights: PathBuf,
    file: Box<dyn ArrayFile>,
    noise: Noise,
) -> Result<ForeignModel, InteropError> {
    config.time_scale = time_scale(noise.preconditioning);
    let more = take_own_outputs(&mut config, noise.preconditioning)?;
    let mut map = NameMap::diffusers(&config)?;
    if let Some(outputs) = more {
        map = map.with_first_outputs("out.2", outputs);
    }
    Ok(ForeignModel::new(Family::Diffusers, Architecture::Adm(config), noise, map, weights, file))
}

impl Form {
    /// The noise that models of this form are made for where nothing says more.
    pub(super) fn range(self) -> NoiseRange {
        match self.preconditioning() {
            Preconditioning::Discrete(discrete) => {
                scheduler::of_schedule(discrete.schedule, discrete.answer).range
            }
            _ if self == Self::Ect => NoiseRange { sigma_min: ECT_SIGMA_MIN, ..NoiseRange::default() },
            _ => NoiseRange::default(),
        }
    }
}

/// Where a model of ECT is the identity when it is evaluated: the default of its `ECMPrecond`.
const ECT_SIGMA_MIN: f64 = 0.003;
