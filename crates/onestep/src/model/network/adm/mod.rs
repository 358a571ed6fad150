//! The U-Net of OpenAI's consistency-model and guided-diffusion checkpoints ("ADM").
//!
//! From top to bottom: a convolution; on the way down, residual blocks (with attention at some sizes) and
//! a halving after each level; two residual blocks around an attention in the middle; on the way up, the
//! mirror image, each block taking in the feature map that was put aside at its height. Parameters carry
//! the names of the published files, which number the blocks: `input_blocks.{i}.{j}`, `output_blocks.{i}.{j}`.

mod config;
mod layout;

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{DType, Device};
use onestep_kernels::Activation;

pub use config::{AdmConfig, AdmHeads, AdmResample};
use layout::Layout;

use super::attention::SelfAttention;
use super::block::{BlockNames, ResidualBlock};
use super::dual::{Dual, NoiseCode};
use super::embedding::{Order, Spacing, add_labels, class_rows, sinusoidal};
use super::layers::{Conv2d, ConvolutionOn, GroupNorm, Linear, Start};
use super::recompute::{Part, Recomputable};
use super::resample::{BOX_FILTER, Resampling};
use super::{Network, check_call};
use crate::model::{Condition, ModelError, ParameterSpec, Weights};

const NAMES: BlockNames = BlockNames {
    norm0: "in_layers.0",
    conv0: "in_layers.2",
    embedding: "emb_layers.1",
    norm1: "out_layers.0",
    conv1: "out_layers.3",
    skip: "skip_connection",
    attention_norm: "norm",
    attention_out: "proj_out",
};

/// The times these networks were trained on are 1000·ln(σ)/4.
const TIME_SCALE: f64 = 1000.0;

/// OpenAI's U-Net, in every variant of the published checkpoints.
///
/// # Source
///
/// Dhariwal & Nichol 2021 (arXiv:2105.05233); compared with `UNetModel` of openai/consistency_models, whose
/// order (three, head, width) of the fused attention channels it keeps.
#[derive(Debug, Clone)]
pub struct AdmUNet {
    specs: Arc<[ParameterSpec]>,
    image: [usize; 3],
    model_channels: usize,
    n_classes: Option<usize>,
    time: [Linear; 2],
    label: Option<Linear>,
    input: Vec<Recomputable<Layers>>,
    middle: Recomputable<Layers>,
    output: Vec<Recomputable<Layers>>,
    out_norm: GroupNorm,
    out_conv: Conv2d,
}

/// What has one number in `input_blocks` or `output_blocks`.
type Layers = Vec<Layer>;

/// What has the second number.
#[derive(Debug, Clone)]
enum Layer {
    Residual(ResidualBlock),
    Attention(SelfAttention),
    Convolution(Conv2d),
    Resample(Resampling),
}

impl Layer {
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        match self {
            Self::Residual(block) => block.forward(weights, input, embedding, condition),
            Self::Attention(attention) => attention.forward(weights, input),
            Self::Convolution(conv) => conv.forward(weights, input),
            Self::Resample(resampling) => resampling.apply(input, &BOX_FILTER),
        }
    }
}

impl Part for Layers {
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        self.iter().fold(input, |hidden, layer| layer.forward(weights, hidden, embedding, condition))
    }
}

impl AdmUNet {
    /// Lays out the network; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the image cannot be halved often enough, an attention size is not
    /// that of a feature map, or heads or groups do not divide the channels.
    pub fn new(config: &AdmConfig) -> Result<Self, ModelError> {
        config.check()?;
        let mut layout = Layout::new(config);
        let n_embedding = layout.style.n_embedding;
        let builder = &mut layout.builder;
        let time = [
            Linear::new(builder, "time_embed.0", [config.model_channels, n_embedding], Start::FanIn),
            Linear::new(builder, "time_embed.2", [n_embedding, n_embedding], Start::FanIn),
        ];
        let label = config.n_classes.map(|n_classes| {
            Linear::without_bias(builder, "label_emb", [n_classes, n_embedding], Start::Normal)
        });
        let (input, mut skips) = layout.input_blocks()?;
        let middle = layout.middle_block()?;
        let output = layout.output_blocks(&mut skips)?;
        let channels = layout.channels;
        let mut builder = layout.builder;
        let out_norm = layout.style.norm(&mut builder, "out.0", channels)?;
        let out_conv = Conv2d::new(&mut builder, "out.2", [channels, config.out_channels], 3, Start::Zeros);
        Ok(Self {
            specs: builder.finish(),
            image: [config.image_size, config.image_size, config.in_channels],
            model_channels: config.model_channels,
            n_classes: config.n_classes,
            time,
            label,
            input,
            middle,
            output,
            out_norm,
            out_conv,
        })
    }

    /// What the residual blocks are told: noise level and class, `[batch, 4 * model_channels]`.
    fn embed(
        &self,
        weights: &Weights,
        code: &NoiseCode,
        condition: &Condition,
        place: (&Device, DType),
    ) -> Dual<2> {
        let times = code.scaled(TIME_SCALE);
        let times = sinusoidal(&times, self.model_channels, Order::CosSin, Spacing::WithoutEndpoint, place);
        let hidden = self.time[0].forward(weights, times).silu();
        let embedding = self.time[1].forward(weights, hidden);
        let classes = class_rows(condition, self.n_classes, 1.0, place);
        // Every block starts with the same activation of the embedding.
        add_labels(weights, embedding, self.label.as_ref(), classes).silu()
    }
}

impl Network for AdmUNet {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }

    fn image(&self) -> [usize; 3] {
        self.image
    }

    fn n_classes(&self) -> Option<usize> {
        self.n_classes
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        self.input.iter().chain([&self.middle]).chain(&self.output).map(Recomputable::parameters).collect()
    }

    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        check_call(self, &input, code, condition, 0)?;
        let embedding = self.embed(weights, code, condition, (&input.device(), input.dtype()));
        let mut hidden = input;
        let mut skips = Vec::with_capacity(self.input.len());
        for layers in &self.input {
            hidden = layers.forward(weights, vec![hidden], &embedding, condition);
            skips.push(hidden.clone());
        }
        hidden = self.middle.forward(weights, vec![hidden], &embedding, condition);
        for layers in &self.output {
            let skip = skips.pop().expect("as many blocks up as down");
            hidden = layers.forward(weights, vec![hidden, skip], &embedding, condition);
        }
        let norm = Some(self.out_norm.with(None, Activation::Silu));
        Ok(ConvolutionOn { norm, ..self.out_conv.on(hidden) }.forward(weights))
    }
}
