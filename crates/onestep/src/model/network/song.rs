//! DDPM++ and NCSN++, the networks of Song et al. 2021 as EDM reimplemented them.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use onestep_kernels::silu;
use serde::{Deserialize, Serialize};

use super::block::BlockStyle;
use super::embedding::{Order, Spacing, fourier, one_hot, sinusoidal};
use super::layers::{Linear, Start};
use super::resample::BOX_FILTER;
use super::unet::{self, Decoder, Encoder, Plan, UNet};
use super::{Network, check_call, check_dropout, check_levels};
use crate::model::{Builder, Condition, Init, ModelError, ParameterId, ParameterSpec, Weights};

/// How the noise level becomes numbers for the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseEmbedding {
    /// Sinusoids of fixed frequencies (DDPM++).
    #[default]
    Positional,
    /// Sinusoids of random frequencies, stored with the weights (NCSN++).
    Fourier,
}

/// Settings of [`SongUNet`]; what is left out takes EDM's default.
///
/// # Source
///
/// The arguments of `SongUNet` in NVlabs/edm `training/networks.py`; `attention_resolutions` are its
/// `attn_resolutions`, `n_classes` its `label_dim`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SongConfig {
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
    /// Sizes of the feature maps that attend to themselves.
    #[serde(default = "attention_resolutions")]
    pub attention_resolutions: Vec<usize>,
    /// Dropout rate in the residual blocks.
    #[serde(default = "dropout")]
    pub dropout: f64,
    /// How the noise level is embedded.
    #[serde(default)]
    pub embedding: NoiseEmbedding,
    /// Deviation of the frequencies of a Fourier embedding; iCT found 0.02 to train more stably than 16.
    #[serde(default = "fourier_scale")]
    pub fourier_scale: f64,
    /// Width of the embedding of the noise level alone, as a multiple of `model_channels`.
    #[serde(default = "channel_mult_noise")]
    pub channel_mult_noise: usize,
    /// How the input reaches the lower levels.
    #[serde(default)]
    pub encoder: Encoder,
    /// How the output is put together.
    #[serde(default)]
    pub decoder: Decoder,
    /// Filter of up- and downsampling, one axis of it: `[1, 1]` in DDPM++, `[1, 3, 3, 1]` in NCSN++.
    #[serde(default = "resample_filter")]
    pub resample_filter: Vec<f32>,
}

impl SongConfig {
    /// EDM's DDPM++ for CIFAR-10, unconditional: 55.7 million parameters.
    pub fn cifar10_ddpmpp() -> Self {
        Self {
            image_size: 32,
            in_channels: three(),
            out_channels: three(),
            n_classes: None,
            augment_dim: 9,
            model_channels: model_channels(),
            channel_mult: vec![2, 2, 2],
            channel_mult_emb: channel_mult_emb(),
            num_blocks: num_blocks(),
            attention_resolutions: attention_resolutions(),
            dropout: 0.13,
            embedding: NoiseEmbedding::Positional,
            fourier_scale: fourier_scale(),
            channel_mult_noise: channel_mult_noise(),
            encoder: Encoder::Standard,
            decoder: Decoder::Standard,
            resample_filter: resample_filter(),
        }
    }

    /// EDM's NCSN++ for CIFAR-10, unconditional.
    pub fn cifar10_ncsnpp() -> Self {
        Self {
            embedding: NoiseEmbedding::Fourier,
            channel_mult_noise: 2,
            encoder: Encoder::Residual,
            resample_filter: vec![1.0, 3.0, 3.0, 1.0],
            ..Self::cifar10_ddpmpp()
        }
    }

    fn check(&self) -> Result<(), ModelError> {
        check_levels(self.image_size, &self.channel_mult, &self.attention_resolutions)?;
        check_dropout(self.dropout)?;
        let bad = |reason: String| Err(ModelError::BadArchitecture { reason });
        let positive = [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("model_channels", self.model_channels),
            ("channel_mult_emb", self.channel_mult_emb),
            ("channel_mult_noise", self.channel_mult_noise),
            ("num_blocks", self.num_blocks),
            ("n_classes", self.n_classes.unwrap_or(1)),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return bad(format!("{name} must be at least 1"));
        }
        if !(self.model_channels * self.channel_mult_noise).is_multiple_of(2) {
            return bad("model_channels * channel_mult_noise must be even: half sines, half cosines".into());
        }
        let n_taps = self.resample_filter.len();
        let sum: f32 = self.resample_filter.iter().sum();
        if n_taps == 0 || !n_taps.is_multiple_of(2) || !sum.is_finite() || sum == 0.0 {
            return bad(format!(
                "resample_filter must have an even number of taps with a sum other than 0, got {:?}",
                self.resample_filter
            ));
        }
        if !(self.fourier_scale > 0.0 && self.fourier_scale.is_finite()) {
            return bad(format!("fourier_scale must be positive, got {}", self.fourier_scale));
        }
        Ok(())
    }
}

/// EDM's DDPM++ and NCSN++.
///
/// Parameters carry the published names without the prefix `model.` of the preconditioning around them.
///
/// # Source
///
/// Song et al. 2021 (arXiv:2011.13456); Karras et al. 2022 (arXiv:2206.00364), table 7; compared with
/// `SongUNet` in NVlabs/edm. The fused attention channels are kept in the order (three, head, width).
#[derive(Debug, Clone)]
pub struct SongUNet {
    specs: Arc<[ParameterSpec]>,
    image: [usize; 3],
    n_classes: Option<usize>,
    augment_dim: usize,
    n_noise: usize,
    frequencies: Option<ParameterId>,
    label: Option<Linear>,
    augment: Option<Linear>,
    map: [Linear; 2],
    unet: UNet,
}

impl SongUNet {
    /// Lays out the network; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the image cannot be halved often enough, an attention size is not
    /// that of a feature map, or the groups of a norm do not divide the channels.
    pub fn new(config: &SongConfig) -> Result<Self, ModelError> {
        config.check()?;
        let n_noise = config.model_channels * config.channel_mult_noise;
        let n_embedding = config.model_channels * config.channel_mult_emb;
        let start = Start::Xavier { gain: 1.0 };
        let mut builder = Builder::default();
        let frequencies = (config.embedding == NoiseEmbedding::Fourier).then(|| {
            builder.buffer("map_noise.freqs", &[n_noise / 2], Init::Normal { std: config.fourier_scale })
        });
        let label = config.n_classes.map(|n| Linear::new(&mut builder, "map_label", [n, n_noise], start));
        let augment = (config.augment_dim > 0)
            .then(|| Linear::without_bias(&mut builder, "map_augment", [config.augment_dim, n_noise], start));
        let map = [
            Linear::new(&mut builder, "map_layer0", [n_noise, n_embedding], start),
            Linear::new(&mut builder, "map_layer1", [n_embedding, n_embedding], start),
        ];
        let plan = Plan {
            image_size: config.image_size,
            in_channels: config.in_channels,
            out_channels: config.out_channels,
            first_channels: config.model_channels,
            channels: config.channel_mult.iter().map(|mult| mult * config.model_channels).collect(),
            num_blocks: config.num_blocks,
            attention_resolutions: &config.attention_resolutions,
            attend_in_every_block: false,
            heads: |_| 1,
            encoder: config.encoder,
            decoder: config.decoder,
            output_names: None,
            style: BlockStyle {
                names: unet::NAMES,
                n_embedding,
                scale_shift: false,
                dropout: config.dropout,
                groups: unet::groups,
                epsilon: 1e-6,
                residual_scale: std::f64::consts::FRAC_1_SQRT_2,
                filter: config.resample_filter.clone(),
                project_resampled: true,
                start,
                last_start: Start::Xavier { gain: 1e-5 },
                attention_start: Start::Xavier { gain: 0.2f64.sqrt() },
            },
        };
        let unet = UNet::new(&mut builder, &plan)?;
        Ok(Self {
            specs: builder.finish(),
            image: [config.image_size, config.image_size, config.in_channels],
            n_classes: config.n_classes,
            augment_dim: config.augment_dim,
            n_noise,
            frequencies,
            label,
            augment,
            map,
            unet,
        })
    }

    /// What the residual blocks are told: noise level, class and augmentation.
    fn embed(
        &self,
        weights: &Weights,
        input: &Tensor<4>,
        noise_code: &[f64],
        condition: &Condition,
    ) -> Tensor<2> {
        let device = input.device().inner();
        let mut embedding = match self.frequencies {
            Some(frequencies) => fourier(noise_code, weights.get(frequencies)),
            None => sinusoidal(noise_code, self.n_noise, Order::SinCos, Spacing::WithEndpoint, &device),
        };
        if let (Some(label), Some(labels), Some(n_classes)) = (&self.label, &condition.labels, self.n_classes)
        {
            let labels = one_hot(labels, n_classes, (n_classes as f64).sqrt(), &device);
            embedding = embedding + label.forward(weights, labels);
        }
        if let (Some(augment), Some(labels)) = (&self.augment, &condition.augment) {
            let shape = [labels.len(), self.augment_dim];
            let labels = Tensor::from_data(TensorData::new(labels.concat(), shape), &device);
            embedding = embedding + augment.forward(weights, labels);
        }
        self.map.iter().fold(embedding, |embedding, layer| silu(layer.forward(weights, embedding)))
    }
}

impl Network for SongUNet {
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

    fn forward(
        &self,
        weights: &Weights,
        input: Tensor<4>,
        noise_code: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        check_call(self, &input, noise_code, condition, self.augment_dim)?;
        let embedding = self.embed(weights, &input, noise_code, condition);
        Ok(self.unet.forward(weights, input, &embedding, condition))
    }
}

fn three() -> usize {
    3
}

fn model_channels() -> usize {
    128
}

fn channel_mult() -> Vec<usize> {
    vec![1, 2, 2, 2]
}

fn channel_mult_emb() -> usize {
    4
}

fn num_blocks() -> usize {
    4
}

fn attention_resolutions() -> Vec<usize> {
    vec![16]
}

fn dropout() -> f64 {
    0.1
}

fn fourier_scale() -> f64 {
    16.0
}

fn channel_mult_noise() -> usize {
    1
}

fn resample_filter() -> Vec<f32> {
    BOX_FILTER.to_vec()
}
