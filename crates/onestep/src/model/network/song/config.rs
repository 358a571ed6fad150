//! The settings of EDM's DDPM++ and NCSN++.

use serde::{Deserialize, Serialize};

use crate::model::ModelError;
use crate::model::network::resample::BOX_FILTER;
use crate::model::network::unet::{Decoder, Encoder};
use crate::model::network::{check_dropout, check_levels};

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

/// Settings of [`SongUNet`](super::SongUNet); what is left out takes EDM's default.
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

    /// Refuses numbers that contradict each other, as far as the layers do not do that themselves.
    pub(super) fn check(&self) -> Result<(), ModelError> {
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
