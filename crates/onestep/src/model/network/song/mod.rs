//! DDPM++ and NCSN++, the networks of Song et al. 2021 as EDM reimplemented them.

mod config;

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{DType, Device};

pub use config::{NoiseEmbedding, SongConfig};

use super::block::BlockStyle;
use super::dual::{Dual, NoiseCode};
use super::embedding::{Order, Spacing, add_labels, augment_rows, class_rows, fourier, sinusoidal};
use super::layers::{Linear, Start};
use super::unet::{self, Plan, UNet};
use super::{Network, check_call};
use crate::model::{Builder, Condition, Init, ModelError, ParameterId, ParameterSpec, Weights};

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
        code: &NoiseCode,
        condition: &Condition,
        place: (&Device, DType),
    ) -> Dual<2> {
        let embedding = match self.frequencies {
            Some(frequencies) => fourier(code, weights.get(frequencies)),
            None => sinusoidal(code, self.n_noise, Order::SinCos, Spacing::WithEndpoint, place),
        };
        let value = (self.n_classes.unwrap_or(0) as f64).sqrt();
        let classes = class_rows(condition, self.n_classes, value, place);
        let embedding = add_labels(weights, embedding, self.label.as_ref(), classes);
        let augment = augment_rows(condition, self.augment_dim, place);
        let embedding = add_labels(weights, embedding, self.augment.as_ref(), augment);
        self.map.iter().fold(embedding, |embedding, layer| layer.forward(weights, embedding).silu())
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
