//! The U-Net of EDM, which [`SongUNet`](super::SongUNet) and [`DhariwalUNet`](super::DhariwalUNet) share.
//!
//! Stages carry the size of their feature maps in their names: `enc.32x32_block0`, `dec.16x16_up`. Besides
//! the main path, the skip and residual encoders feed shrunken copies of the input into each level, and the
//! skip decoder adds up an image from every level.

use std::ops::Range;

use burn::tensor::Tensor;
use onestep_kernels::Activation;
use serde::{Deserialize, Serialize};

use super::attention::{SelfAttention, scaled};
use super::block::{BlockNames, BlockStyle, ResidualBlock};
use super::layers::{Conv2d, GroupNorm};
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

/// The settings of the U-Net proper.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Height and width at the top.
    pub image_size: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Channels of the first convolution.
    pub first_channels: usize,
    /// Channels of each level, from the top down.
    pub channels: Vec<usize>,
    /// Residual blocks of each level on the way down; one more on the way up.
    pub num_blocks: usize,
    /// Sizes of the feature maps with attention.
    pub attention_resolutions: &'a [usize],
    /// Whether all blocks on the way up at those sizes attend, or only the last.
    pub attend_in_every_block: bool,
    /// Number of attention heads over so many channels; none attend where it is zero.
    pub heads: fn(usize) -> usize,
    /// Way in.
    pub encoder: Encoder,
    /// Way out.
    pub decoder: Decoder,
    /// Names of the last norm and convolution, where they do not carry that of a level.
    pub output_names: Option<[&'static str; 2]>,
    /// What the blocks have in common.
    pub style: BlockStyle,
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
        input: Tensor<4>,
        embedding: &Tensor<2>,
        condition: &Condition,
    ) -> Tensor<4> {
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
        input: Tensor<4>,
        embedding: &Tensor<2>,
        condition: &Condition,
    ) -> Tensor<4> {
        let mut side = input.clone();
        let mut hidden = input;
        let mut skips: Vec<Tensor<4>> = Vec::with_capacity(self.encoder.len());
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

        let mut image: Option<Tensor<4>> = None;
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
                    let level =
                        conv.forward(weights, norm.forward(weights, hidden.clone(), None, Activation::Silu));
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

impl Plan<'_> {
    /// The way down, with the number of channels of each feature map put aside.
    fn encoder(&self, builder: &mut Builder) -> Result<(Vec<EncoderStage>, Vec<usize>), ModelError> {
        let start = self.style.start;
        let mut stages = Vec::new();
        let mut skips = Vec::new();
        let (mut channels, mut side_channels) = (self.first_channels, self.in_channels);
        for (level, &n_out) in self.channels.iter().enumerate() {
            builder.feature_map(self.image_size >> level);
            let name = |part: &str| format!("enc.{0}x{0}_{part}", self.image_size >> level);
            if level == 0 {
                let conv = Conv2d::new(builder, &name("conv"), [self.in_channels, channels], 3, start);
                stages.push(EncoderStage::Convolution(conv));
            } else {
                let block =
                    self.block(builder, &name("down"), [channels, channels], Resampling::Down, false)?;
                stages.push(EncoderStage::Block(block));
                let side = [side_channels, channels];
                match self.encoder {
                    Encoder::Standard => {}
                    Encoder::Skip => {
                        stages.push(EncoderStage::Skip(Conv2d::new(
                            builder,
                            &name("aux_skip"),
                            side,
                            1,
                            start,
                        )));
                    }
                    Encoder::Residual => {
                        let filter = &self.style.filter;
                        let conv = ConvDownsample::new(builder, &name("aux_residual"), side, filter, start);
                        stages.push(EncoderStage::Residual(conv));
                        side_channels = channels;
                    }
                }
            }
            skips.push(channels);
            for index in 0..self.num_blocks {
                let name = name(&format!("block{index}"));
                let block =
                    self.block(builder, &name, [channels, n_out], Resampling::Keep, self.attends(level))?;
                stages.push(EncoderStage::Block(block));
                channels = n_out;
                skips.push(channels);
            }
        }
        Ok((stages, skips))
    }

    fn decoder(&self, builder: &mut Builder, mut skips: Vec<usize>) -> Result<Vec<DecoderStage>, ModelError> {
        let mut stages = Vec::new();
        let lowest = self.channels.len() - 1;
        let mut channels = self.channels[lowest];
        for (level, &n_out) in self.channels.iter().enumerate().rev() {
            builder.feature_map(self.image_size >> level);
            let name = |part: &str| format!("dec.{0}x{0}_{part}", self.image_size >> level);
            let same = [channels, channels];
            let mut straight = |builder: &mut Builder, part: &str, resampling, attends| {
                let block = self.block(builder, &name(part), same, resampling, attends)?;
                stages.push(DecoderStage::Block { block, joins: false });
                Ok::<(), ModelError>(())
            };
            if level == lowest {
                straight(builder, "in0", Resampling::Keep, true)?;
                straight(builder, "in1", Resampling::Keep, false)?;
            } else {
                straight(builder, "up", Resampling::Up, false)?;
            }
            for index in 0..=self.num_blocks {
                let n_in = channels + skips.pop().expect("as many blocks up as down");
                let attends = self.attends(level) && (self.attend_in_every_block || index == self.num_blocks);
                let name = name(&format!("block{index}"));
                let block = self.block(builder, &name, [n_in, n_out], Resampling::Keep, attends)?;
                stages.push(DecoderStage::Block { block, joins: true });
                channels = n_out;
            }
            if level == 0 || self.decoder == Decoder::Skip {
                let [norm, conv] = match self.output_names {
                    Some(names) => names.map(String::from),
                    None => ["aux_norm", "aux_conv"].map(name),
                };
                let start = self.style.last_start;
                stages.push(DecoderStage::Output {
                    norm: self.style.norm(builder, &norm, channels)?,
                    conv: Conv2d::new(builder, &conv, [channels, self.out_channels], 3, start),
                });
            }
        }
        Ok(stages)
    }

    fn attends(&self, level: usize) -> bool {
        self.attention_resolutions.contains(&(self.image_size >> level))
    }

    fn block(
        &self,
        builder: &mut Builder,
        name: &str,
        channels: [usize; 2],
        resampling: Resampling,
        attends: bool,
    ) -> Result<Recomputable<Block>, ModelError> {
        let first = builder.n_registered();
        let residual = ResidualBlock::new(builder, name, channels, resampling, &self.style)?;
        let heads = if attends { (self.heads)(channels[1]) } else { 0 };
        let attention = match heads {
            0 => None,
            _ => Some(SelfAttention::new(builder, name, channels[1], heads, &self.style)?),
        };
        Ok(Recomputable::new(Block { residual, attention }, first..builder.n_registered()))
    }
}
