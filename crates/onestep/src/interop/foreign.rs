//! A model that another program saved, ready to be taken over.

use std::path::PathBuf;

use super::noise::Noise;
use super::{ArrayFile, InteropError, Matching, NameMap, NamedArrays};
use crate::model::network::AdmConfig;
use crate::model::{Architecture, ModelKind, NoiseRange, Preconditioning};

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
    /// A model whose file says neither names of classes nor levels.
    pub(super) fn new(
        family: Family,
        architecture: Architecture,
        noise: Noise,
        map: NameMap,
        weights: PathBuf,
        file: Box<dyn ArrayFile>,
    ) -> Self {
        let Noise { preconditioning, kind, range, rho, method } = noise;
        Self {
            family,
            architecture,
            preconditioning,
            kind,
            range,
            rho,
            class_names: Vec::new(),
            sampling_levels: None,
            method: method.to_owned(),
            weights,
            map,
            file,
        }
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
