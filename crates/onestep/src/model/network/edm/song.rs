//! DDPM++ and NCSN++, the networks of Song et al. 2021 as EDM reimplemented them.

use serde::{Deserialize, Serialize};

use super::plan::{Decoder, Encoder, NAMES, Plan, groups};
use super::settings::{channel_mult_emb, edm_settings, three};
use crate::model::network::block::{BlockStyle, Groups};
use crate::model::network::embedding::{ClassPlace, Embedding, Labels, Waves};
use crate::model::network::layers::{Linear, Start};
use crate::model::network::resample::BOX_FILTER;
use crate::model::network::sinusoids::{Order, Spacing};
use crate::model::network::unet::UNet;
use crate::model::{Builder, Init, ModelError};

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

edm_settings! {
    /// Settings of EDM's DDPM++ and NCSN++ ([`UNet::song`]); what is left out takes EDM's default.
    ///
    /// # Source
    ///
    /// The arguments of `SongUNet` in NVlabs/edm `training/networks.py`; `attention_resolutions` are its
    /// `attn_resolutions`, `n_classes` its `label_dim`.
    SongConfig {
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
}

impl SongConfig {
    /// EDM's DDPM++ for CIFAR-10, unconditional: 55.7 million parameters.
    pub fn cifar10_ddpmpp() -> Self {
        Self {
            image_size: 32.into(),
            in_channels: three(),
            out_channels: three(),
            n_classes: None,
            guidance_embedding: false,
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
    fn check(&self) -> Result<(), ModelError> {
        self.shared().check(&[("channel_mult_noise", self.channel_mult_noise)])?;
        let bad = |reason: String| Err(ModelError::BadArchitecture { reason });
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

impl UNet {
    /// Lays out EDM's DDPM++ or NCSN++; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the image cannot be halved often enough, an attention size is not that of a feature
    /// map, or the groups of a norm do not divide the channels.
    ///
    /// # Source
    ///
    /// Song et al. 2021 (arXiv:2011.13456); Karras et al. 2022 (arXiv:2206.00364), table 7; compared with `SongUNet` in
    /// NVlabs/edm.
    pub fn song(config: &SongConfig) -> Result<Self, ModelError> {
        config.check()?;
        let settings = config.shared();
        let (n_noise, n_embedding) =
            (config.model_channels * config.channel_mult_noise, settings.n_embedding());
        let start = Start::Xavier { gain: 1.0 };
        let mut builder = Builder::default();
        let waves = match config.embedding {
            NoiseEmbedding::Positional => Waves::Fixed {
                width: n_noise,
                scale: 1.0,
                order: Order::SinCos,
                spacing: Spacing::WithEndpoint,
            },
            NoiseEmbedding::Fourier => {
                let init = Init::Normal { std: config.fourier_scale };
                Waves::Stored(builder.buffer("map_noise.freqs", &[n_noise / 2], init))
            }
        };
        let class = config.n_classes.map(|n_labels| Labels {
            layer: Linear::new(&mut builder, "map_label", [n_labels, n_noise], start),
            n_labels,
        });
        let guidance = settings.guidance(&mut builder, n_noise);
        let augment = settings.augment(&mut builder, n_noise, start);
        let layers = settings.layers(&mut builder, n_noise, start);
        let plan = Plan {
            settings,
            first_channels: config.model_channels,
            attend_in_every_block: false,
            heads: |_| 1,
            encoder: config.encoder,
            decoder: config.decoder,
            output_names: None,
            style: BlockStyle {
                names: NAMES,
                n_embedding,
                scale_shift: false,
                dropout: config.dropout,
                groups: Groups::Of(groups),
                epsilon: 1e-6,
                residual_scale: std::f64::consts::FRAC_1_SQRT_2,
                filter: config.resample_filter.clone(),
                project_resampled: true,
                start,
                last_start: Start::Xavier { gain: 1e-5 },
                attention_start: Start::Xavier { gain: 0.2f64.sqrt() },
            },
        };
        let stages = plan.stages(&mut builder)?;
        let embedding =
            Embedding { waves, guidance, augment, layers, class, class_place: ClassPlace::InFront };
        Ok(Self::new(builder, settings.image(), embedding, stages))
    }
}

fn model_channels() -> usize {
    128
}

fn channel_mult() -> Vec<usize> {
    vec![1, 2, 2, 2]
}

fn num_blocks() -> usize {
    4
}

fn attention_resolutions() -> Vec<usize> {
    vec![16]
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
