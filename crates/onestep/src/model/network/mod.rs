//! Raw networks F: the function inside a denoiser, without any preconditioning.
//!
//! A network is a structure; its numbers live in [`Weights`]. It takes an image batch that has already
//! been scaled, a noise code for each sample, and a [`Condition`], and returns an image batch. To add one:
//! write its file here, and one arm in [`Architecture`].

mod adm;
mod attention;
mod block;
mod custom;
mod dual;
mod edm;
mod embedding;
pub mod graph;
pub mod layers;
mod mlp;
mod recompute;
mod resample;
mod sinusoids;
mod unet;

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub use adm::{AdmConfig, AdmHeads, AdmResample};
pub use custom::{CustomConfig, Setting};
pub use dual::{Dual, NoiseCode};
pub(crate) use edm::dhariwal_heads;
pub(crate) use edm::level_name;
pub use edm::{Decoder, DhariwalConfig, Encoder, NoiseEmbedding, SongConfig};
pub use mlp::{Mlp, MlpConfig};
pub(crate) use resample::BOX_FILTER;
pub(crate) use sinusoids::fourier;
pub use sinusoids::{Order, Spacing};
pub use unet::UNet;

use super::{Condition, ModelError, ParameterSpec, Weights, check_batch};
use crate::size::ImageSize;
use graph::{Graph, Value};

/// A raw network F.
pub trait Network: std::fmt::Debug + Send + Sync {
    /// The numbers that the network needs, in the order [`Weights`] keeps them.
    fn parameters(&self) -> &Arc<[ParameterSpec]>;

    /// Height, width and channels of the network's input.
    fn image(&self) -> [usize; 3];

    /// Number of classes that the network is conditioned on; none for an unconditional network.
    fn n_classes(&self) -> Option<usize>;

    /// Whether the network is told a guidance scale, [`Condition::guidance`].
    fn takes_guidance(&self) -> bool {
        false
    }

    /// Parameters of each block that activation checkpointing computes again in the backward pass; none where
    /// it computes nothing again.
    fn blocks(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// Values a sample that the forward pass keeps for the backward pass, with or without activation
    /// checkpointing ([`Weights::tracked_with`]).
    ///
    /// With it, of the blocks only the inputs stay, and the rest of one block at a time comes back. Temporary
    /// tensors are not counted; measured peaks are about a fifth higher.
    fn activations(&self, checkpointing: bool) -> usize {
        let specs = self.parameters();
        let kept = |specs: &[ParameterSpec]| specs.iter().map(|spec| spec.kept).sum::<usize>();
        let mut total = kept(specs);
        if checkpointing {
            // The first layer of a block keeps the block's input.
            let input = |block: &[ParameterSpec]| block.iter().map(|spec| spec.kept).find(|&kept| kept > 0);
            let inner: Vec<usize> = self
                .blocks()
                .into_iter()
                .map(|range| kept(&specs[range.clone()]) - input(&specs[range]).unwrap_or(0))
                .collect();
            total = total - inner.iter().sum::<usize>() + inner.iter().max().unwrap_or(&0);
        }
        total
    }

    /// Evaluates the network on a value alone or on a value with its tangent: what a network writes once, for
    /// [`Network::forward`] and [`Network::forward_with_tangent`].
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, height, width, channels]`, scaled by c_in.
    /// - `code`: one number for each of the `batch` samples.
    /// - returns: `[batch, height, width, out_channels]`, with a tangent where the arguments have one.
    ///
    /// # Randomness
    ///
    /// Dropout alone, and only where `condition.dropout` gives a key: the mask is a function of that
    /// key, the layer and the sample.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the condition does not fit the network (labels or scales not taken, labels unknown)
    /// or a list does not have `batch` entries.
    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError>;

    /// Says the network as nodes of a graph: what it computes where there is neither dropout nor augmentation.
    ///
    /// It is what exports to formats of others are made of. Every layer of this library says itself; networks of
    /// programs' own refuse, unless they say themselves.
    ///
    /// # Shapes
    ///
    /// - `input`: an image as [`Network::image`] says, scaled by c_in
    /// - `code`: a row of one number, c_noise
    /// - `label`: the class, where the network takes one
    /// - returns: an image of `out_channels`
    ///
    /// # Errors
    ///
    /// [`ModelError::NoGraph`] for a network that does not say itself; [`ModelError::GuidanceNotExported`] for one that is
    /// told a guidance scale.
    fn describe(
        &self,
        graph: &mut Graph,
        input: Value,
        code: Value,
        label: Option<Value>,
    ) -> Result<Value, ModelError> {
        let _ = (graph, input, code, label);
        Err(ModelError::NoGraph)
    }

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
    /// # Errors
    ///
    /// As [`Network::evaluate`].
    fn forward(
        &self,
        weights: &Weights,
        input: Tensor<4>,
        noise_code: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        Ok(self.evaluate(weights, input.into(), &noise_code.into(), condition)?.value)
    }

    /// Evaluates the network together with its derivative along one direction of input and noise code.
    ///
    /// Exact, by the chain rule through every layer. The output is that of [`Network::forward`] to the bit and
    /// carries its gradient; its tangent carries none, and neither does anything it is made of. Weights and input
    /// are of one float type, f32 or f64.
    ///
    /// # Shapes
    ///
    /// `input` and `input_tangent`: `[batch, height, width, channels]`; one code and one derivative of it a sample;
    /// returns output and tangent, `[batch, height, width, out_channels]` each.
    ///
    /// # Randomness
    ///
    /// # Errors
    ///
    /// As [`Network::evaluate`].
    ///
    /// # Source
    ///
    /// Lu and Song 2024 (arXiv:2410.11081), section 5 and appendix F, which takes a forward-mode derivative.
    fn forward_with_tangent(
        &self,
        weights: &Weights,
        (input, input_tangent): (Tensor<4>, Tensor<4>),
        (noise_code, code_tangent): (&[f64], &[f64]),
        condition: &Condition,
    ) -> Result<(Tensor<4>, Tensor<4>), ModelError> {
        check_batch("tangents of noise codes", code_tangent.len(), noise_code.len())?;
        let input = Dual::new(input, input_tangent);
        let code = NoiseCode { values: noise_code.to_vec(), tangents: Some(code_tangent.to_vec()) };
        let Dual { value, tangent, .. } = self.evaluate(weights, input, &code, condition)?;
        let tangent = tangent.unwrap_or_else(|| value.clone().inner().zeros_like());
        Ok((value, tangent))
    }
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
    /// A network that a program brings along.
    Custom(CustomConfig),
}

impl Architecture {
    /// Lays out the network.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the numbers contradict each other; [`ModelError::CustomNetwork`] for a network that
    /// only its program can lay out.
    pub fn build(&self) -> Result<Arc<dyn Network>, ModelError> {
        Ok(match self {
            Self::Adm(config) => Arc::new(UNet::adm(config)?),
            Self::Song(config) => Arc::new(UNet::song(config)?),
            Self::Dhariwal(config) => Arc::new(UNet::dhariwal(config)?),
            Self::Mlp(config) => Arc::new(Mlp::new(config)?),
            Self::Custom(config) => {
                return Err(ModelError::CustomNetwork { name: config.name.clone() });
            }
        })
    }
}

/// Refuses an input, codes or labels that do not fit the network.
fn check_call(
    network: &dyn Network,
    input: &Dual<4>,
    code: &NoiseCode,
    condition: &Condition,
    augment_dim: usize,
) -> Result<(), ModelError> {
    let [batch, image @ ..] = input.dims();
    if image != network.image() {
        return Err(ModelError::WrongImage { found: image, expected: network.image() });
    }
    check_batch("noise codes", code.values.len(), batch)?;
    condition.check(batch, network.n_classes())?;
    if condition.guidance.is_some() && !network.takes_guidance() {
        return Err(ModelError::GuidanceNotTaken);
    }
    match condition.augment.iter().flatten().find(|labels| labels.len() != augment_dim) {
        Some(labels) => Err(ModelError::WrongAugment { found: labels.len(), expected: augment_dim }),
        None => Ok(()),
    }
}

/// Whether feature maps of this size attend to themselves, where those of `resolutions` do: it is their shorter side that counts.
fn attends(resolutions: &[usize], feature_map: ImageSize) -> bool {
    resolutions.contains(&feature_map.shorter())
}

/// Refuses an image that cannot be halved between all levels, and attention at sizes no level has.
fn check_levels(
    image_size: ImageSize,
    channel_mult: &[usize],
    attention: &[usize],
) -> Result<(), ModelError> {
    let bad = |reason: String| Err(ModelError::BadArchitecture { reason });
    if channel_mult.is_empty() || channel_mult.contains(&0) {
        return bad(format!(
            "channel_mult needs one number of at least 1 for each level, got {channel_mult:?}"
        ));
    }
    let n_halvings = channel_mult.len() - 1;
    let divisor = u32::try_from(n_halvings).ok().and_then(|n| 1usize.checked_shl(n));
    let ImageSize { height, width } = image_size;
    let halves = |side: usize| side > 0 && divisor.is_some_and(|divisor| side.is_multiple_of(divisor));
    if !halves(height) || !halves(width) {
        return bad(format!(
            "image_size {} cannot be halved {n_halvings} times, between the {} levels of channel_mult",
            image_size.typed(),
            channel_mult.len()
        ));
    }
    let sizes: Vec<usize> = (0..=n_halvings).map(|level| image_size.halved(level).shorter()).collect();
    match attention.iter().find(|size| !sizes.contains(size)) {
        Some(size) => {
            bad(format!("attention_resolutions names {size}, the feature maps have sizes {sizes:?}"))
        }
        None => Ok(()),
    }
}

/// Refuses a dropout rate that is no probability below one.
fn check_dropout(rate: f64) -> Result<(), ModelError> {
    if (0.0..1.0).contains(&rate) {
        Ok(())
    } else {
        Err(ModelError::BadArchitecture {
            reason: format!("dropout must be at least 0 and below 1, got {rate}"),
        })
    }
}
