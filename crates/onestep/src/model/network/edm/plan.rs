//! How the U-Net of EDM is laid out.

use serde::{Deserialize, Serialize};

use super::settings::Shared;
use crate::model::network::attends;
use crate::model::network::attention::SelfAttention;
use crate::model::network::block::{BlockNames, BlockStyle, ResidualBlock};
use crate::model::network::layers::Conv2d;
use crate::model::network::recompute::Recomputable;
use crate::model::network::resample::{ConvDownsample, Resampling};
use crate::model::network::unet::{DecoderStage, EncoderStage, Layer, Layers, Stages};
use crate::model::{Builder, ModelError};
use crate::size::ImageSize;

/// Names of the parts of EDM's blocks.
pub(super) const NAMES: BlockNames = BlockNames {
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
pub(super) fn groups(channels: usize) -> usize {
    let most = (channels / 4).clamp(1, 32);
    (1..=most).rev().find(|&groups| channels.is_multiple_of(groups)).unwrap_or(1)
}

/// What parameters call a level: the height and width of its feature maps, `32x32`.
pub(crate) fn level_name(image_size: ImageSize, level: usize) -> String {
    let ImageSize { height, width } = image_size.halved(level);
    format!("{height}x{width}")
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

/// What the U-Net is laid out from.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// Sizes and channels.
    pub settings: Shared<'a>,
    /// Channels of the first convolution.
    pub first_channels: usize,
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

impl Plan<'_> {
    /// Lays out the way down and up.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the groups of a norm or the heads of an attention do not divide their channels.
    pub(super) fn stages(self, builder: &mut Builder) -> Result<Stages, ModelError> {
        let (encoder, skips) = self.encoder(builder)?;
        let decoder = self.decoder(builder, skips)?;
        Ok(Stages { encoder, decoder, filter: self.style.filter })
    }

    /// The way down, with the number of channels of each feature map put aside.
    fn encoder(&self, builder: &mut Builder) -> Result<(Vec<EncoderStage>, Vec<usize>), ModelError> {
        let (settings, start) = (self.settings, self.style.start);
        let mut stages = Vec::new();
        let mut skips = Vec::new();
        let (mut channels, mut side_channels) = (self.first_channels, settings.in_channels);
        for (level, n_out) in settings.channels().into_iter().enumerate() {
            builder.feature_map(settings.image_size.halved(level));
            let name = |part: &str| format!("enc.{}_{part}", level_name(settings.image_size, level));
            if level == 0 {
                let conv = Conv2d::new(builder, &name("conv"), [settings.in_channels, channels], 3, start);
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
            for index in 0..settings.num_blocks {
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

    /// The way up, which takes in those feature maps.
    fn decoder(&self, builder: &mut Builder, mut skips: Vec<usize>) -> Result<Vec<DecoderStage>, ModelError> {
        let (settings, widths) = (self.settings, self.settings.channels());
        let mut stages = Vec::new();
        let lowest = widths.len() - 1;
        let mut channels = widths[lowest];
        for (level, &n_out) in widths.iter().enumerate().rev() {
            builder.feature_map(settings.image_size.halved(level));
            let name = |part: &str| format!("dec.{}_{part}", level_name(settings.image_size, level));
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
            for index in 0..=settings.num_blocks {
                let n_in = channels + skips.pop().expect("as many blocks up as down");
                let attends =
                    self.attends(level) && (self.attend_in_every_block || index == settings.num_blocks);
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
                    conv: Conv2d::new(builder, &conv, [channels, settings.out_channels], 3, start),
                });
            }
        }
        Ok(stages)
    }

    fn attends(&self, level: usize) -> bool {
        attends(self.settings.attention_resolutions, self.settings.image_size.halved(level))
    }

    fn block(
        &self,
        builder: &mut Builder,
        name: &str,
        channels: [usize; 2],
        resampling: Resampling,
        attends: bool,
    ) -> Result<Recomputable<Layers>, ModelError> {
        let first = builder.n_registered();
        let residual = ResidualBlock::new(builder, name, channels, resampling, &self.style)?;
        let heads = if attends { (self.heads)(channels[1]) } else { 0 };
        let mut layers = vec![Layer::Residual(residual)];
        if heads > 0 {
            let attention = SelfAttention::new(builder, name, channels[1], heads, &self.style)?;
            layers.push(Layer::Attention(attention));
        }
        Ok(Recomputable::new(layers, first..builder.n_registered()))
    }
}
