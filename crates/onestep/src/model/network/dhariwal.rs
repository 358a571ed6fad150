//! ADM as EDM reimplemented it.
//!
//! The same ideas as in [`AdmUNet`](super::AdmUNet) with other names, another order of the fused attention
//! channels in its files, and a noise code that is not multiplied by 1000: weights of the one are of no use
//! to the other.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{DType, Device};
use serde::{Deserialize, Serialize};

use super::block::BlockStyle;
use super::dual::{Dual, NoiseCode};
use super::embedding::{Order, Spacing, add_labels, augment_rows, class_rows, sinusoidal};
use super::layers::{Linear, Start};
use super::resample::BOX_FILTER;
use super::unet::{self, Decoder, Encoder, Plan, UNet};
use super::{Network, check_call, check_dropout, check_levels};
use crate::model::{Builder, Condition, ModelError, ParameterSpec, Weights};

/// Settings of [`DhariwalUNet`]; what is left out takes EDM's default.
///
/// # Source
///
/// The arguments of `DhariwalUNet` in NVlabs/edm `training/networks.py`; `attention_resolutions` are its
/// `attn_resolutions`, `n_classes` its `label_dim`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DhariwalConfig {
    /// Height and width of the images; divisible by 2 once for each level but the first.
    pub image_size: usize,
    /// Channels of the input.
    #[serde(default = "three")]
    pub in_channels: usize,
    /// Channels of the output.
    #[serde(default = "three")]
    pub out_channels: usize,
    /// Number of classes; none for an unconditional network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_classes: Option<usize>,
    /// Number of augmentation labels; 0 for none.
    #[serde(default)]
    pub augment_dim: usize,
    /// Channels that the multipliers multiply.
    #[serde(default = "model_channels")]
    pub model_channels: usize,
    /// Channels of each level as multiples of `model_channels`, from full resolution down.
    #[serde(default = "channel_mult")]
    pub channel_mult: Vec<usize>,
    /// Width of the embedding of noise level and class, as a multiple of `model_channels`.
    #[serde(default = "channel_mult_emb")]
    pub channel_mult_emb: usize,
    /// Residual blocks of each level on the way down; one more on the way up.
    #[serde(default = "num_blocks")]
    pub num_blocks: usize,
    /// Sizes of the feature maps that attend to themselves, where they have 64 channels or more.
    #[serde(default = "attention_resolutions")]
    pub attention_resolutions: Vec<usize>,
    /// Dropout rate in the residual blocks.
    #[serde(default = "dropout")]
    pub dropout: f64,
}

impl DhariwalConfig {
    /// EDM's network for class-conditional ImageNet 64x64.
    pub fn imagenet64() -> Self {
        Self {
            image_size: 64,
            in_channels: three(),
            out_channels: three(),
            n_classes: Some(1000),
            augment_dim: 0,
            model_channels: model_channels(),
            channel_mult: channel_mult(),
            channel_mult_emb: channel_mult_emb(),
            num_blocks: num_blocks(),
            attention_resolutions: attention_resolutions(),
            dropout: dropout(),
        }
    }

    fn check(&self) -> Result<(), ModelError> {
        check_levels(self.image_size, &self.channel_mult, &self.attention_resolutions)?;
        check_dropout(self.dropout)?;
        let positive = [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("model_channels", self.model_channels),
            ("channel_mult_emb", self.channel_mult_emb),
            ("num_blocks", self.num_blocks),
            ("n_classes", self.n_classes.unwrap_or(1)),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => {
                Err(ModelError::BadArchitecture { reason: format!("{name} must be at least 1") })
            }
            None => Ok(()),
        }
    }
}

/// Number of heads over so many channels: 64 channels each; where there are fewer, no attention at all.
pub(crate) fn heads(channels: usize) -> usize {
    channels / 64
}

/// EDM's ADM.
///
/// Parameters carry the published names without the prefix `model.` of the preconditioning around them.
///
/// # Source
///
/// Dhariwal & Nichol 2021 (arXiv:2105.05233); Karras et al. 2022 (arXiv:2206.00364), table 7; compared with
/// `DhariwalUNet` in NVlabs/edm. The fused attention channels are kept in the order (three, head, width).
#[derive(Debug, Clone)]
pub struct DhariwalUNet {
    specs: Arc<[ParameterSpec]>,
    image: [usize; 3],
    n_classes: Option<usize>,
    augment_dim: usize,
    n_noise: usize,
    augment: Option<Linear>,
    map: [Linear; 2],
    label: Option<Linear>,
    unet: UNet,
}

impl DhariwalUNet {
    /// Lays out the network; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the image cannot be halved often enough, an attention size is not
    /// that of a feature map, or heads or groups do not divide the channels.
    pub fn new(config: &DhariwalConfig) -> Result<Self, ModelError> {
        config.check()?;
        let n_noise = config.model_channels;
        let n_embedding = config.model_channels * config.channel_mult_emb;
        let channels: Vec<usize> =
            config.channel_mult.iter().map(|mult| mult * config.model_channels).collect();
        let mut builder = Builder::default();
        let augment = (config.augment_dim > 0).then(|| {
            Linear::without_bias(&mut builder, "map_augment", [config.augment_dim, n_noise], Start::Zeros)
        });
        let map = [
            Linear::new(&mut builder, "map_layer0", [n_noise, n_embedding], Start::FanIn),
            Linear::new(&mut builder, "map_layer1", [n_embedding, n_embedding], Start::FanIn),
        ];
        // The published gain √n_classes cancels the fan-in of the Kaiming initialization.
        let label = config
            .n_classes
            .map(|n| Linear::without_bias(&mut builder, "map_label", [n, n_embedding], Start::Normal));
        let plan = Plan {
            image_size: config.image_size,
            in_channels: config.in_channels,
            out_channels: config.out_channels,
            first_channels: channels[0],
            channels,
            num_blocks: config.num_blocks,
            attention_resolutions: &config.attention_resolutions,
            attend_in_every_block: true,
            heads,
            encoder: Encoder::Standard,
            decoder: Decoder::Standard,
            output_names: Some(["out_norm", "out_conv"]),
            style: BlockStyle {
                names: unet::NAMES,
                n_embedding,
                scale_shift: true,
                dropout: config.dropout,
                groups: unet::groups,
                epsilon: 1e-5,
                residual_scale: 1.0,
                filter: BOX_FILTER.to_vec(),
                project_resampled: false,
                start: Start::FanIn,
                last_start: Start::Zeros,
                attention_start: Start::FanIn,
            },
        };
        let unet = UNet::new(&mut builder, &plan)?;
        Ok(Self {
            specs: builder.finish(),
            image: [config.image_size, config.image_size, config.in_channels],
            n_classes: config.n_classes,
            augment_dim: config.augment_dim,
            n_noise,
            augment,
            map,
            label,
            unet,
        })
    }

    /// What the residual blocks are told: noise level, augmentation and class.
    fn embed(
        &self,
        weights: &Weights,
        code: &NoiseCode,
        condition: &Condition,
        place: (&Device, DType),
    ) -> Dual<2> {
        let embedding = sinusoidal(code, self.n_noise, Order::CosSin, Spacing::WithoutEndpoint, place);
        let augment = augment_rows(condition, self.augment_dim, place);
        let embedding = add_labels(weights, embedding, self.augment.as_ref(), augment);
        let embedding = self.map[0].forward(weights, embedding).silu();
        let embedding = self.map[1].forward(weights, embedding);
        let classes = class_rows(condition, self.n_classes, 1.0, place);
        add_labels(weights, embedding, self.label.as_ref(), classes).silu()
    }
}

impl Network for DhariwalUNet {
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
        self.unet.blocks()
    }

    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        check_call(self, &input, code, condition, self.augment_dim)?;
        let embedding = self.embed(weights, code, condition, (&input.device(), input.dtype()));
        Ok(self.unet.forward(weights, input, &embedding, condition))
    }
}

fn three() -> usize {
    3
}

fn model_channels() -> usize {
    192
}

fn channel_mult() -> Vec<usize> {
    vec![1, 2, 3, 4]
}

fn channel_mult_emb() -> usize {
    4
}

fn num_blocks() -> usize {
    3
}

fn attention_resolutions() -> Vec<usize> {
    vec![32, 16, 8]
}

fn dropout() -> f64 {
    0.1
}
