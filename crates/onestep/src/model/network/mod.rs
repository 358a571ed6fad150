//! Raw networks F: the function inside a denoiser, without any preconditioning.
//!
//! A network is a structure; its numbers live in [`Weights`]. It takes an image batch that has already
//! been scaled, a noise code for each sample, and a [`Condition`], and returns an image batch. To add one:
//! write its file here, and one arm in [`Architecture`].

mod adm;
mod dhariwal;
mod embedding;
pub mod layers;
mod mlp;
mod song;

use std::sync::Arc;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub use adm::{AdmConfig, AdmHeads, AdmResample, AdmUNet};
pub use dhariwal::{DhariwalConfig, DhariwalUNet};
pub use mlp::{Mlp, MlpConfig};
pub use song::{Decoder, Encoder, NoiseEmbedding, SongConfig, SongUNet};

use super::{Condition, ModelError, ParameterSpec, Weights};

/// A raw network F.
pub trait Network: std::fmt::Debug + Send + Sync {
    /// The numbers it needs, in the order [`Weights`] keeps them.
    fn parameters(&self) -> &Arc<[ParameterSpec]>;

    /// Height, width and channels of its input.
    fn image(&self) -> [usize; 3];

    /// Number of classes it is conditioned on; none for an unconditional network.
    fn n_classes(&self) -> Option<usize>;

    /// Evaluates the network.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, height, width, channels]`, scaled by c_in.
    /// - `noise_code`: c_noise = ln(σ)/4 for each of the `batch` samples (TrigFlow: the angle).
    /// - returns: `[batch, height, width, out_channels]`.
    ///
    /// # Randomness
    ///
    /// Dropout alone, and only where `condition.dropout` gives a key: the mask is a function of that
    /// key, the layer and the sample.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the condition does not fit the network (labels missing, unknown, or not taken)
    /// or a list does not have `batch` entries.
    fn forward(
        &self,
        weights: &Weights,
        input: Tensor<4>,
        noise_code: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError>;
}

/// A network by its numbers: what a recipe names and a checkpoint's header stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// The U-Net of OpenAI's consistency-model and guided-diffusion checkpoints.
    Adm(AdmConfig),
    /// DDPM++ and NCSN++ as in EDM.
    Song(SongConfig),
    /// ADM as in EDM.
    Dhariwal(DhariwalConfig),
    /// A small multilayer perceptron for data of a few dimensions.
    Mlp(MlpConfig),
}

impl Architecture {
    /// Lays out the network.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the numbers contradict each other.
    pub fn build(&self) -> Result<Arc<dyn Network>, ModelError> {
        Ok(match self {
            Self::Adm(config) => Arc::new(AdmUNet::new(config)?),
            Self::Song(config) => Arc::new(SongUNet::new(config)?),
            Self::Dhariwal(config) => Arc::new(DhariwalUNet::new(config)?),
            Self::Mlp(config) => Arc::new(Mlp::new(config)?),
        })
    }
}
