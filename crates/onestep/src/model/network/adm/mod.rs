//! The U-Net of OpenAI's consistency-model and guided-diffusion checkpoints ("ADM").
//!
//! From top to bottom: a convolution; on the way down, residual blocks (with attention at some sizes) and
//! a halving after each level; two residual blocks around an attention in the middle; on the way up, the
//! mirror image, each block taking in the feature map that was put aside at its height. Parameters carry
//! the names of the published files, which number the blocks: `input_blocks.{i}.{j}`, `output_blocks.{i}.{j}`.

mod config;
mod layout;

pub use config::{AdmConfig, AdmHeads, AdmResample};
use layout::Layout;

use super::block::BlockNames;
use super::embedding::{ClassPlace, Embedding, GuidanceScale, Labels, Waves};
use super::layers::{Linear, Start};
use super::unet::UNet;
use crate::model::ModelError;

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

impl UNet {
    /// Lays out OpenAI's U-Net, in every variant of the published checkpoints; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the image cannot be halved often enough, an attention size is not
    /// that of a feature map, or heads or groups do not divide the channels.
    ///
    /// # Source
    ///
    /// Dhariwal & Nichol 2021 (arXiv:2105.05233); compared with `UNetModel` of openai/consistency_models, whose
    /// order (three, head, width) of the fused attention channels it keeps, and with `UNet2DModel` of diffusers.
    pub fn adm(config: &AdmConfig) -> Result<Self, ModelError> {
        config.check()?;
        let mut layout = Layout::new(config);
        let n_embedding = layout.style.n_embedding;
        let builder = &mut layout.builder;
        let layers = [
            Linear::new(builder, "time_embed.0", [config.model_channels, n_embedding], Start::FanIn),
            Linear::new(builder, "time_embed.2", [n_embedding, n_embedding], Start::FanIn),
        ];
        let class = config.n_classes.map(|n_labels| Labels {
            layer: Linear::without_bias(builder, "label_emb", [n_labels, n_embedding], Start::Normal),
            n_labels,
        });
        let guidance = config
            .guidance_embedding
            .then(|| GuidanceScale::new(builder, "guidance_emb", config.model_channels));
        let waves = Waves::Fixed {
            width: config.model_channels,
            scale: config.time_scale,
            order: config.sinusoid_order,
            spacing: config.sinusoid_spacing,
        };
        let stages = layout.stages()?;
        let embedding =
            Embedding { waves, guidance, augment: None, layers, class, class_place: ClassPlace::Behind };
        let image = [config.image_size.height, config.image_size.width, config.in_channels];
        Ok(Self::new(layout.builder, image, embedding, stages))
    }
}
