//! Files and folders of other programs, told apart by what is in them.

use std::path::{Path, PathBuf};

use super::file::is_torch;
use super::foreign::{take_own_outputs, time_scale};
use super::inference::{self, Shapes};
use super::{
    ArrayFile, Caches, Choices, EdmFile, Family, ForeignModel, InteropError, NameMap, QkvOrder, diffusers,
    open_weights, song_from_jax,
};
use crate::file;
use crate::model::Architecture;
use crate::model::network::BOX_FILTER;

/// Endings of files of weights. `bin` is none of them: batches of CIFAR have it, too.
const WEIGHTS: [&str; 5] = ["safetensors", "pt", "pth", "pkl", "msgpack"];
/// Endings by which a folder is one of pictures, whatever else is in it.
const PICTURES: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

impl ForeignModel {
    /// Looks at a file or folder of another program.
    ///
    /// # Errors
    ///
    /// [`InteropError`]: no model that is known, something to be said first ([`InteropError::Undecided`]), or a file that cannot be
    /// read. That tensors are missing or too many is no error here: [`ForeignModel::matching`] tells it.
    pub fn open(path: &Path, choices: &Choices) -> Result<Self, InteropError> {
        if path.is_dir() {
            return match (diffusers::is_pipeline_or_network(path), only_weights(path)) {
                (false, Some(file)) => Self::open(&file, choices),
                _ => diffusers::open_folder(path, choices),
            };
        }
        let mut file = if file::start(path).is_ok_and(|start| is_torch(&start)) {
            let edm = EdmFile::open(path)?;
            if !edm.networks().is_empty() {
                // What it was constructed with says more than names and shapes.
                return Self::of_edm(path, edm, choices);
            }
            edm.into_arrays(None)?
        } else {
            open_weights(path)?
        };
        let shapes = Shapes(file.shapes());
        if is_jax(shapes) {
            return Self::of_flax(path, file, choices);
        }
        if diffusers::is_diffusers(shapes) {
            return diffusers::open_file(path, file, choices);
        }
        if shapes.has("time_embed.0.weight") && shapes.has_prefix("input_blocks.") {
            let (config, order) = inference::adm(shapes, choices)?;
            return Self::in_form(Family::OpenAi, Architecture::Adm(config), order, path, file, choices);
        }
        for prefix in ["model.", ""] {
            if shapes.has(&format!("{prefix}map_layer0.weight"))
                && shapes.has_prefix(&format!("{prefix}enc."))
            {
                let prefix = prefix.to_owned();
                let filter = filter(&mut *file)?;
                let architecture = inference::edm(Shapes(file.shapes()), &prefix, filter)?;
                return Self::in_form(Family::Edm, architecture, QkvOrder::default(), path, file, choices);
            }
        }
        let names = file.shapes().keys().take(3).cloned().collect();
        Err(InteropError::UnknownFamily {
            names,
            families: "those of OpenAI's U-Net, of EDM's networks, of diffusers' UNet2DModel and of flax's NCSN++",
        })
    }

    /// A network of the JAX twin, whose form and noise are not in the file.
    fn of_flax(path: &Path, file: Box<dyn ArrayFile>, choices: &Choices) -> Result<Self, InteropError> {
        let config = song_from_jax(file.shapes(), choices.image_size, None)?;
        let map = NameMap::jax(&config)?;
        let noise = choices.noise_of(path)?;
        Ok(Self::new(Family::Jax, Architecture::Song(config), noise, map, path.to_path_buf(), file))
    }

    /// A state dict whose form and noise are not in the file.
    fn in_form(
        family: Family,
        mut architecture: Architecture,
        order: QkvOrder,
        path: &Path,
        file: Box<dyn ArrayFile>,
        choices: &Choices,
    ) -> Result<Self, InteropError> {
        let noise = choices.noise_of(path)?;
        let mut more = None;
        if let Architecture::Adm(config) = &mut architecture {
            config.time_scale = time_scale(noise.preconditioning);
            more = take_own_outputs(config, noise.preconditioning)?;
        }
        let mut map = NameMap::torch(&architecture, order)?;
        if let Some(outputs) = more {
            map = map.with_first_outputs("out.2", outputs);
        }
        Ok(Self::new(family, architecture, noise, map, path.to_path_buf(), file))
    }
}

/// Whether a folder holds what other programs keep of a model: settings, or one file of weights and nothing of ours.
pub(crate) fn is_model_folder(path: &Path) -> bool {
    diffusers::is_pipeline_or_network(path) || only_weights(path).is_some()
}

/// Whether a path is a model of another program by its name and place, where it could be images as well: contents do not tell, because
/// both come in zips and pickles.
pub(crate) fn looks_like_model(path: &Path) -> bool {
    if path.is_dir() {
        return is_model_folder(path);
    }
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_weights = ending.is_some_and(|ending| WEIGHTS.contains(&ending));
    is_weights || Caches::of_user().locate(path).is_ok_and(|place| place != path)
}

/// Whether tensors have the names that flax gives the parts of NCSN++ and DDPM++.
fn is_jax(shapes: Shapes<'_>) -> bool {
    shapes.has_prefix("ResnetBlockBigGANpp_0/")
}

/// The one file of weights in a folder, such as a repository of the Hugging Face hub.
fn only_weights(folder: &Path) -> Option<PathBuf> {
    // What is ours has a place of its own.
    if ["state.json", "ckpt"].iter().any(|name| folder.join(name).exists()) {
        return None;
    }
    let has = |path: &PathBuf, endings: &[&str]| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending)) && path.is_file()
    };
    let entries = std::fs::read_dir(folder).ok()?;
    let paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    if paths.iter().any(|path| has(path, &PICTURES)) {
        return None;
    }
    let mut files = paths.into_iter().filter(|path| has(path, &WEIGHTS));
    let only = files.next()?;
    files.next().is_none().then_some(only)
}

/// One axis of the filter with which EDM's networks change resolution, from the first that the file holds; where it holds none,
/// that of DDPM++.
///
/// A filter is stored as the outer product of its axis with itself, of sum 1.
fn filter(file: &mut dyn ArrayFile) -> Result<Vec<f32>, InteropError> {
    let stored = file.shapes().iter().find(|(name, _)| name.ends_with(".resample_filter"));
    let Some((name, shape)) = stored.map(|(name, shape)| (name.clone(), shape.clone())) else {
        return Ok(BOX_FILTER.to_vec());
    };
    let &[1, 1, rows, taps] = &shape[..] else {
        let what = format!("`{name}` of shape {shape:?}");
        return Err(InteropError::Unsupported {
            what,
            why: "a filter has the shape [1, 1, taps, taps]".into(),
        });
    };
    let values = file.read(&name)?;
    // The sums of the rows are the axis, but for a factor; networks are told it in whole numbers.
    let axis: Vec<f32> = values.chunks_exact(taps.max(1)).take(rows).map(|row| row.iter().sum()).collect();
    let smallest = axis.iter().copied().fold(f32::INFINITY, f32::min);
    Ok(axis.into_iter().map(|tap| (tap / smallest * 1e4).round() / 1e4).collect())
}
