//! A model that another program saved, ready to be taken over.

use std::path::{Path, PathBuf};

use super::file::is_torch;
use super::inference::{self, Shapes};
use super::{
    ArrayFile, Caches, Choices, EdmFile, InteropError, Matching, NameMap, NamedArrays, QkvOrder, diffusers,
    open_weights, song_from_jax,
};
use crate::file;
use crate::model::network::{AdmConfig, BOX_FILTER};
use crate::model::{Architecture, ModelKind, NoiseRange, Preconditioning};

/// Endings of files of weights. `bin` is none of them: batches of CIFAR have it, too.
const WEIGHTS: [&str; 5] = ["safetensors", "pt", "pth", "pkl", "msgpack"];
/// Endings by which a folder is one of pictures, whatever else is in it.
const PICTURES: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Which program names tensors so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// openai/consistency_models and openai/guided-diffusion.
    OpenAi,
    /// NVlabs/edm, and what goes on from it: ECT, CMT.
    Edm,
    /// `UNet2DModel` of huggingface/diffusers, alone or in a pipeline.
    Diffusers,
    /// openai/consistency_models_cifar10, in flax.
    Jax,
}

impl Family {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI (consistency_models, guided-diffusion)",
            Self::Edm => "EDM (NVlabs/edm, ECT, CMT)",
            Self::Diffusers => "diffusers (UNet2DModel)",
            Self::Jax => "OpenAI in JAX (consistency_models_cifar10)",
        }
    }
}

/// A model of another program: what it is, and where its tensors are.
///
/// Nothing but names, shapes and settings has been read; values are read when they are asked for.
#[derive(Debug)]
pub struct ForeignModel {
    /// Whose names its tensors have.
    pub family: Family,
    /// The network, found again from names, shapes and settings.
    pub architecture: Architecture,
    /// What makes a denoiser of it.
    pub preconditioning: Preconditioning,
    /// What the denoiser's estimate is.
    pub kind: ModelKind,
    /// The noise that it was made for.
    pub range: NoiseRange,
    /// Exponent of the spacing of its noise levels.
    pub rho: f64,
    /// Names of its classes; empty where the file says none.
    pub class_names: Vec<String>,
    /// Descending noise levels that were found to sample best; none where nothing says them.
    pub sampling_levels: Option<Vec<f64>>,
    /// How it was trained, as far as that is known.
    pub method: String,
    /// The file of its weights.
    pub weights: PathBuf,
    pub(super) map: NameMap,
    pub(super) file: Box<dyn ArrayFile>,
}

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
        if file::start(path).is_ok_and(|start| is_torch(&start)) {
            // What it was constructed with says more than names and shapes.
            let edm = EdmFile::open(path)?;
            if !edm.networks().is_empty() {
                return Self::of_edm(path, edm, choices);
            }
        }
        let mut file = open_weights(path)?;
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
        let (form, method) = choices.form_of(path)?;
        Ok(Self {
            family: Family::Jax,
            architecture: Architecture::Song(config),
            preconditioning: form.preconditioning(),
            kind: form.kind(),
            range: form.range(),
            rho: 7.0,
            class_names: Vec::new(),
            sampling_levels: None,
            method: method.to_owned(),
            weights: path.to_path_buf(),
            map,
            file,
        })
    }

    /// A state dict whose form and noise are not in the file.
    fn in_form(
        family: Family,
        architecture: Architecture,
        order: QkvOrder,
        path: &Path,
        file: Box<dyn ArrayFile>,
        choices: &Choices,
    ) -> Result<Self, InteropError> {
        let (form, method) = choices.form_of(path)?;
        let (mut architecture, preconditioning) = (architecture, form.preconditioning());
        let mut more = None;
        if let Architecture::Adm(config) = &mut architecture {
            config.time_scale = time_scale(preconditioning);
            more = take_own_outputs(config, preconditioning)?;
        }
        let map = NameMap::torch(&architecture, order)?;
        Ok(Self {
            family,
            map: match more {
                Some(outputs) => map.with_first_outputs("out.2", outputs),
                None => map,
            },
            architecture,
            preconditioning,
            kind: form.kind(),
            range: form.range(),
            rho: 7.0,
            class_names: Vec::new(),
            sampling_levels: None,
            method: method.to_owned(),
            weights: path.to_path_buf(),
            file,
        })
    }

    /// Number of classes of the network; none for an unconditional one, and for one that cannot be laid out.
    pub fn n_classes(&self) -> Option<usize> {
        self.architecture.build().ok().and_then(|network| network.n_classes())
    }

    /// How the arrays of the file fit the network, one by one.
    pub fn matching(&self) -> Matching {
        self.map.matching(self.file.shapes())
    }

    /// Refuses a file whose arrays are not exactly those of the network.
    ///
    /// # Errors
    ///
    /// [`InteropError::Model`] with the first array that does not fit; a stored constant that contradicts the architecture.
    pub fn check(&mut self) -> Result<(), InteropError> {
        match self.matching().problem() {
            Some(problem) => Err(problem.into()),
            None => self.map.check_constants(&mut *self.file),
        }
    }

    /// The values of one parameter, in our layout.
    ///
    /// # Errors
    ///
    /// [`InteropError::File`]: what the file says.
    ///
    /// # Panics
    ///
    /// If the network has no parameter of this name.
    pub fn read(&mut self, parameter: &str) -> Result<Vec<f32>, InteropError> {
        Ok(self.map.read(&mut *self.file, parameter)?)
    }

    /// All parameters, in our names and layouts.
    ///
    /// # Errors
    ///
    /// As [`ForeignModel::check`] and [`ForeignModel::read`].
    pub fn arrays(&mut self) -> Result<NamedArrays, InteropError> {
        self.map.translated(&mut *self.file)
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

/// What OpenAI's U-Net multiplies the noise code of a form by: it was made for the steps of DDPM, and of what it is told in other
/// forms, ln(σ)/4, it is told the thousandfold.
pub(super) fn time_scale(preconditioning: Preconditioning) -> f64 {
    match preconditioning {
        Preconditioning::Discrete(_) | Preconditioning::VariancePreserving(_) => 1.0,
        _ => AdmConfig::imagenet64().time_scale,
    }
}

/// Leaves a network the outputs that its form asks for, and returns how many it has in the file where that is more: networks of
/// guided-diffusion answer with a variance behind the noise, which no sampler here asks for.
pub(super) fn take_own_outputs(
    config: &mut AdmConfig,
    preconditioning: Preconditioning,
) -> Result<Option<usize>, InteropError> {
    let AdmConfig { in_channels, out_channels, .. } = *config;
    let is_discrete = matches!(preconditioning, Preconditioning::Discrete(_));
    if out_channels == in_channels {
        Ok(None)
    } else if is_discrete && in_channels.checked_mul(2) == Some(out_channels) {
        config.out_channels = in_channels;
        Ok(Some(out_channels))
    } else {
        let what = format!("a network that answers {in_channels} channels with {out_channels}");
        let why = "it answers with as many; twice as many, the second half a variance, a network of discrete steps has \
                   (`--form ddpm-linear`, `--form ddpm-cosine`)";
        Err(InteropError::Unsupported { what, why: why.into() })
    }
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
