//! How the U-Net of EDM is laid out.

use super::{Block, Decoder, DecoderStage, Encoder, EncoderStage};
use crate::model::network::attention::SelfAttention;
use crate::model::network::block::{BlockStyle, ResidualBlock};
use crate::model::network::layers::Conv2d;
use crate::model::network::recompute::Recomputable;
use crate::model::network::resample::{ConvDownsample, Resampling};
use crate::model::{Builder, ModelError};

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

impl Plan<'_> {
    /// The way down, with the number of channels of each feature map put aside.
    pub(super) fn encoder(
        &self,
        builder: &mut Builder,
    ) -> Result<(Vec<EncoderStage>, Vec<usize>), ModelError> {
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

    /// The way up, which takes in those feature maps.
    pub(super) fn decoder(
        &self,
        builder: &mut Builder,
        mut skips: Vec<usize>,
    ) -> Result<Vec<DecoderStage>, ModelError> {
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
