//! How OpenAI's U-Net is laid out.

use super::{AdmConfig, AdmResample, NAMES};
use crate::model::network::attention::SelfAttention;
use crate::model::network::block::{BlockStyle, Groups, ResidualBlock};
use crate::model::network::layers::{Conv2d, Start};
use crate::model::network::recompute::Recomputable;
use crate::model::network::resample::{BOX_FILTER, Resampling};
use crate::model::network::unet::{DecoderStage, EncoderStage, Layer, Layers, Stages};
use crate::model::{Builder, ModelError};

/// The network while it is laid out: where it stands, and how wide it is there.
pub(super) struct Layout<'a> {
    config: &'a AdmConfig,
    pub(super) builder: Builder,
    pub(super) style: BlockStyle,
    channels: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(config: &'a AdmConfig) -> Self {
        let style = BlockStyle {
            names: NAMES,
            n_embedding: 4 * config.model_channels,
            scale_shift: config.scale_shift_norm,
            dropout: config.dropout,
            groups: Groups::Fixed(config.groups),
            epsilon: config.epsilon,
            residual_scale: 1.0,
            filter: BOX_FILTER.to_vec(),
            project_resampled: false,
            start: Start::FanIn,
            last_start: Start::Zeros,
            attention_start: Start::FanIn,
        };
        Self { config, builder: Builder::default(), style, channels: config.in_channels }
    }

    /// The way down, through the middle, and up to the image.
    pub(super) fn stages(&mut self) -> Result<Stages, ModelError> {
        let (input, mut skips) = self.input_blocks()?;
        let middle = self.middle_block()?;
        let output = self.output_blocks(&mut skips)?;
        let norm = self.style.norm(&mut self.builder, "out.0", self.channels)?;
        let channels = [self.channels, self.config.out_channels];
        let conv = Conv2d::new(&mut self.builder, "out.2", channels, 3, Start::Zeros);
        let mut decoder = vec![DecoderStage::Block { block: middle, joins: false }];
        decoder.extend(output.into_iter().map(|block| DecoderStage::Block { block, joins: true }));
        decoder.push(DecoderStage::Output { norm, conv });
        let encoder = input.into_iter().map(EncoderStage::Block).collect();
        Ok(Stages { encoder, decoder, filter: self.style.filter.clone() })
    }

    /// The way down, with the number of channels put aside after each block.
    fn input_blocks(&mut self) -> Result<(Vec<Recomputable<Layers>>, Vec<usize>), ModelError> {
        let config = self.config;
        let first = config.model_channels * config.channel_mult[0];
        let mut start = self.builder.n_registered();
        self.builder.feature_map(config.image_size);
        let convolution = vec![self.convolution("input_blocks.0.0", first)];
        let mut blocks = vec![self.finish(convolution, &mut start)];
        let mut skips = vec![first];
        for (level, mult) in config.channel_mult.iter().enumerate() {
            self.builder.feature_map(config.image_size.halved(level));
            for _ in 0..config.num_res_blocks {
                let name = format!("input_blocks.{}", blocks.len());
                let mut layers = vec![self.residual(&format!("{name}.0"), mult * config.model_channels)?];
                if config.attends(level) {
                    layers.push(self.attention(&format!("{name}.1"), false)?);
                }
                blocks.push(self.finish(layers, &mut start));
                skips.push(self.channels);
            }
            if level + 1 < config.channel_mult.len() {
                let name = format!("input_blocks.{}.0", blocks.len());
                let layers = match config.resample {
                    AdmResample::ResBlock => vec![self.resampling_block(&name, Resampling::Down)?],
                    AdmResample::Convolution | AdmResample::ConvolutionPaddedBehind => {
                        let channels = [self.channels; 2];
                        let conv =
                            Conv2d::new(&mut self.builder, &format!("{name}.op"), channels, 3, Start::FanIn);
                        let conv = conv.at_half_resolution();
                        vec![Layer::Convolution(match config.resample {
                            AdmResample::ConvolutionPaddedBehind => conv.padded_behind(),
                            _ => conv,
                        })]
                    }
                    AdmResample::Pooling => vec![Layer::Resample(Resampling::Down)],
                };
                blocks.push(self.finish(layers, &mut start));
                skips.push(self.channels);
            }
        }
        Ok((blocks, skips))
    }

    fn middle_block(&mut self) -> Result<Recomputable<Layers>, ModelError> {
        let channels = self.channels;
        let mut start = self.builder.n_registered();
        let mut layers = vec![self.residual("middle_block.0", channels)?];
        if self.config.middle_attention {
            layers.push(self.attention("middle_block.1", false)?);
        }
        layers.push(self.residual("middle_block.2", channels)?);
        Ok(self.finish(layers, &mut start))
    }

    fn output_blocks(&mut self, skips: &mut Vec<usize>) -> Result<Vec<Recomputable<Layers>>, ModelError> {
        let config = self.config;
        let mut start = self.builder.n_registered();
        let mut blocks = Vec::new();
        for (level, mult) in config.channel_mult.iter().enumerate().rev() {
            self.builder.feature_map(config.image_size.halved(level));
            for block in 0..=config.num_res_blocks {
                let name = format!("output_blocks.{}", blocks.len());
                self.channels += skips.pop().expect("as many blocks up as down");
                let mut layers = vec![self.residual(&format!("{name}.0"), mult * config.model_channels)?];
                if config.attends(level) {
                    layers.push(self.attention(&format!("{name}.1"), true)?);
                }
                if level > 0 && block == config.num_res_blocks {
                    let name = format!("{name}.{}", layers.len());
                    match config.resample {
                        AdmResample::ResBlock => layers.push(self.resampling_block(&name, Resampling::Up)?),
                        AdmResample::Convolution | AdmResample::ConvolutionPaddedBehind => {
                            layers.push(Layer::Resample(Resampling::Up));
                            layers.push(self.convolution(&format!("{name}.conv"), self.channels));
                        }
                        AdmResample::Pooling => layers.push(Layer::Resample(Resampling::Up)),
                    }
                }
                blocks.push(self.finish(layers, &mut start));
            }
        }
        Ok(blocks)
    }

    /// Layers that use the parameters registered from `start` on; moves `start` behind them.
    fn finish(&self, layers: Layers, start: &mut usize) -> Recomputable<Layers> {
        let end = self.builder.n_registered();
        Recomputable::new(layers, std::mem::replace(start, end)..end)
    }

    fn convolution(&mut self, name: &str, n_out: usize) -> Layer {
        let channels = [std::mem::replace(&mut self.channels, n_out), n_out];
        Layer::Convolution(Conv2d::new(&mut self.builder, name, channels, 3, Start::FanIn))
    }

    fn residual(&mut self, name: &str, n_out: usize) -> Result<Layer, ModelError> {
        let channels = [std::mem::replace(&mut self.channels, n_out), n_out];
        ResidualBlock::new(&mut self.builder, name, channels, Resampling::Keep, &self.style)
            .map(Layer::Residual)
    }

    fn resampling_block(&mut self, name: &str, resampling: Resampling) -> Result<Layer, ModelError> {
        let channels = [self.channels; 2];
        ResidualBlock::new(&mut self.builder, name, channels, resampling, &self.style).map(Layer::Residual)
    }

    fn attention(&mut self, name: &str, on_the_way_up: bool) -> Result<Layer, ModelError> {
        let heads = self.config.heads.number(self.channels, on_the_way_up);
        SelfAttention::new(&mut self.builder, name, self.channels, heads, &self.style).map(Layer::Attention)
    }
}
