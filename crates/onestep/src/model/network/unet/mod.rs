//! The U-Net of EDM, which [`SongUNet`](super::SongUNet) and [`DhariwalUNet`](super::DhariwalUNet) share.
//!
//! Stages carry the size of their feature maps in their names: `enc.32x32_block0`, `dec.16x16_up`. Besides
//! the main path, the skip and residual encoders feed shrunken copies of the input into each level, and the
//! skip decoder adds up an image from every level.

mod plan;

use std::ops::Range;

use onestep_kernels::Activation;
use serde::{Deserialize, Serialize};

pub use plan::Plan;

use super::attention::{SelfAttention, scaled};
use super::block::{BlockNames, ResidualBlock};
use super::dual::Dual;
use super::layers::{Conv2d, ConvolutionOn, GroupNorm};
use super::recompute::{Part, Recomputable};
use super::resample::{ConvDownsample, Resampling};
use crate::model::{Builder, Condition, ModelError, Weights};

/// Names of the parts of EDM's blocks.
pub const NAMES: BlockNames = BlockNames {
    norm0: "norm0",
    conv0: "conv0",
    embedding: "affine",
    norm1: "norm1",
    conv1: "conv1",
    skip: "skip",
    attention_norm: "norm2",
    attention_out: "proj",
};

/// Number of groups EDM's norms cut so many channels into: at most 32, at least four channels each.
///
/// EDM refuses widths that this number does not divide, such as 144; they get the next smaller one that does.
pub fn groups(channels: usize) -> usize {
    let most = (channels / 4).clamp(1, 32);
    (1..=most).rev().find(|&groups| channels.is_multiple_of(groups)).unwrap_or(1)
}

/// How the input reaches the lower levels besides through the blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// Not at all (DDPM++).
    #[default]
    Standard,
    /// Each level adds a 1x1 convolution of the shrunken input.
    Skip,
    /// Each level adds a convolved and halved copy of what the level above was given (NCSN++).
    Residual,
}

/// How the output is put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// From the top level alone (DDPM++, NCSN++).
    #[default]
    Standard,
    /// As the sum of images from every level.
    Skip,
}

/// Encoder and decoder, without the embedding of noise level and class.
#[derive(Debug, Clone)]
pub struct UNet {
    encoder: Vec<EncoderStage>,
    decoder: Vec<DecoderStage>,
    filter: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Block {
    residual: ResidualBlock,
    attention: Option<SelfAttention>,
}

#[derive(Debug, Clone)]
enum EncoderStage {
    Convolution(Conv2d),
    Block(Recomputable<Block>),
    /// A 1x1 convolution of the input, shrunk once more.
    Skip(Conv2d),
    /// A convolution of the previous level's residual input, halved.
    Residual(ConvDownsample),
}

#[derive(Debug, Clone)]
enum DecoderStage {
    Block {
        block: Recomputable<Block>,
        /// Whether it takes in the feature map put aside on the way down.
        joins: bool,
    },
    /// An image of this level, added to that of the level below.
    Output { norm: GroupNorm, conv: Conv2d },
}

impl Part for Block {
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        let hidden = self.residual.forward(weights, input, embedding, condition);
        match &self.attention {
            Some(attention) => attention.forward(weights, hidden),
            None => hidden,
        }
    }
}

impl UNet {
    /// Lays out encoder and decoder.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the groups of a norm or the heads of an attention do not divide
    /// their channels.
    pub fn new(builder: &mut Builder, plan: &Plan) -> Result<Self, ModelError> {
        let (encoder, skips) = plan.encoder(builder)?;
        let decoder = plan.decoder(builder, skips)?;
        Ok(Self { encoder, decoder, filter: plan.style.filter.clone() })
    }

    /// Parameters of each block, on the way down and up.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let down = self.encoder.iter().filter_map(|stage| match stage {
            EncoderStage::Block(block) => Some(block.parameters()),
            EncoderStage::Convolution(_) | EncoderStage::Skip(_) | EncoderStage::Residual(_) => None,
        });
        let up = self.decoder.iter().filter_map(|stage| match stage {
            DecoderStage::Block { block, .. } => Some(block.parameters()),
            DecoderStage::Output { .. } => None,
        });
        down.chain(up).collect()
    }

    /// Applies encoder and decoder.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, height, width, in_channels]`
    /// - `embedding`: `[batch, n_embedding]`, after its last activation
    /// - returns: `[batch, height, width, out_channels]`
    pub fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        let mut side = input.clone();
        let mut hidden = input;
        let mut skips: Vec<Dual<4>> = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            let joined = match stage {
                EncoderStage::Convolution(conv) => {
                    hidden = conv.forward(weights, hidden);
                    false
                }
                EncoderStage::Block(block) => {
                    hidden = block.forward(weights, vec![hidden], embedding, condition);
                    false
                }
                EncoderStage::Skip(conv) => {
                    side = Resampling::Down.apply(side, &self.filter);
                    hidden = hidden + conv.forward(weights, side.clone());
                    true
                }
                EncoderStage::Residual(conv) => {
                    hidden = scaled(hidden + conv.forward(weights, side), std::f64::consts::FRAC_1_SQRT_2);
                    side = hidden.clone();
                    true
                }
            };
            // What comes from the side is part of the feature map put aside, not another one.
            if joined {
                skips.pop();
            }
            skips.push(hidden.clone());
        }

        let mut image: Option<Dual<4>> = None;
        for stage in &self.decoder {
            match stage {
                DecoderStage::Block { block, joins } => {
                    let mut inputs = vec![hidden];
                    if *joins {
                        inputs.push(skips.pop().expect("as many blocks up as down"));
                    }
                    hidden = block.forward(weights, inputs, embedding, condition);
                }
                DecoderStage::Output { norm, conv } => {
                    let norm = Some(norm.with(None, Activation::Silu));
                    let level = ConvolutionOn { norm, ..conv.on(hidden.clone()) }.forward(weights);
                    image = Some(match image {
                        Some(below) => Resampling::Up.apply(below, &self.filter) + level,
                        None => level,
                    });
                }
            }
        }
        image.expect("the top level always has an output")
    }
}
