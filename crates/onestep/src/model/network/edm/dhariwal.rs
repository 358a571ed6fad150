//! ADM as EDM reimplemented it.
//!
//! The same ideas as in [`UNet::adm`] with other names, another order of the fused attention channels in its files, and a
//! noise code that is not multiplied by 1000: weights of the one are of no use to the other.

use super::plan::{Decoder, Encoder, NAMES, Plan, groups};
use super::settings::{channel_mult_emb, dropout, edm_settings, three};
use crate::model::network::block::{BlockStyle, Groups};
use crate::model::network::embedding::{ClassPlace, Embedding, Labels, Waves};
use crate::model::network::layers::{Linear, Start};
use crate::model::network::resample::BOX_FILTER;
use crate::model::network::sinusoids::{Order, Spacing};
use crate::model::network::unet::UNet;
use crate::model::{Builder, ModelError};

edm_settings! {
    /// Settings of EDM's ADM ([`UNet::dhariwal`]); what is left out takes EDM's default. Feature maps of less than 64 channels
    /// do not attend.
    ///
    /// # Source
    ///
    /// The arguments of `DhariwalUNet` in NVlabs/edm `training/networks.py`; `attention_resolutions` are its
    /// `attn_resolutions`, `n_classes` its `label_dim`.
    DhariwalConfig {}
}

impl DhariwalConfig {
    /// EDM's network for class-conditional ImageNet 64x64.
    pub fn imagenet64() -> Self {
        Self {
            image_size: 64.into(),
            in_channels: three(),
            out_channels: three(),
            n_classes: Some(1000),
            guidance_embedding: false,
            augment_dim: 0,
            model_channels: model_channels(),
            channel_mult: channel_mult(),
            channel_mult_emb: channel_mult_emb(),
            num_blocks: num_blocks(),
            attention_resolutions: attention_resolutions(),
            dropout: dropout(),
        }
    }
}

/// Number of heads over so many channels: 64 channels each; where there are fewer, no attention at all.
pub(crate) fn heads(channels: usize) -> usize {
    channels / 64
}

impl UNet {
    /// Lays out EDM's ADM; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the image cannot be halved often enough, an attention size is not that of a feature
    /// map, or heads or groups do not divide the channels.
    ///
    /// # Source
    ///
    /// Dhariwal & Nichol 2021 (arXiv:2105.05233); Karras et al. 2022 (arXiv:2206.00364), table 7; compared with
    /// `DhariwalUNet` in NVlabs/edm.
    pub fn dhariwal(config: &DhariwalConfig) -> Result<Self, ModelError> {
        let settings = config.shared();
        settings.check(&[])?;
        let (n_noise, n_embedding) = (config.model_channels, settings.n_embedding());
        let mut builder = Builder::default();
        let waves = Waves::Fixed {
            width: n_noise,
            scale: 1.0,
            order: Order::CosSin,
            spacing: Spacing::WithoutEndpoint,
        };
        let guidance = settings.guidance(&mut builder, n_noise);
        let augment = settings.augment(&mut builder, n_noise, Start::Zeros);
        let layers = settings.layers(&mut builder, n_noise, Start::FanIn);
        // The published gain √n_classes cancels the fan-in of the Kaiming initialization.
        let class = config.n_classes.map(|n_labels| Labels {
            layer: Linear::without_bias(&mut builder, "map_label", [n_labels, n_embedding], Start::Normal),
            n_labels,
        });
        let plan = Plan {
            settings,
            first_channels: settings.channels()[0],
            attend_in_every_block: true,
            heads,
            encoder: Encoder::Standard,
            decoder: Decoder::Standard,
            output_names: Some(["out_norm", "out_conv"]),
            style: BlockStyle {
                names: NAMES,
                n_embedding,
                scale_shift: true,
                dropout: config.dropout,
                groups: Groups::Of(groups),
                epsilon: 1e-5,
                residual_scale: 1.0,
                filter: BOX_FILTER.to_vec(),
                project_resampled: false,
                start: Start::FanIn,
                last_start: Start::Zeros,
                attention_start: Start::FanIn,
            },
        };
        let stages = plan.stages(&mut builder)?;
        let embedding =
            Embedding { waves, guidance, augment, layers, class, class_place: ClassPlace::Behind };
        Ok(Self::new(builder, settings.image(), embedding, stages))
    }
}

fn model_channels() -> usize {
    192
}

fn channel_mult() -> Vec<usize> {
    vec![1, 2, 3, 4]
}

fn num_blocks() -> usize {
    3
}

fn attention_resolutions() -> Vec<usize> {
    vec![32, 16, 8]
}
