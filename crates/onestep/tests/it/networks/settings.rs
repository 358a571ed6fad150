//! Architectures from the settings of a golden case.

use onestep::model::Architecture;
use onestep::model::network::{
    AdmConfig, AdmHeads, AdmResample, Decoder, DhariwalConfig, Encoder, NoiseEmbedding, SongConfig,
};
use serde_json::Value;

use crate::golden::Array;

fn number(config: &Value, key: &str) -> usize {
    config[key].as_u64().unwrap_or_else(|| panic!("no number `{key}`")) as usize
}

fn numbers(config: &Value, key: &str) -> Vec<usize> {
    let list = config[key].as_array().unwrap_or_else(|| panic!("no list `{key}`"));
    list.iter().map(|value| value.as_u64().expect("a whole number") as usize).collect()
}

fn taps(config: &Value, key: &str) -> Vec<f32> {
    let list = config[key].as_array().unwrap_or_else(|| panic!("no list `{key}`"));
    list.iter().map(|value| value.as_f64().expect("a number") as f32).collect()
}

fn flag(config: &Value, key: &str) -> bool {
    config[key].as_bool().unwrap_or_else(|| panic!("no flag `{key}`"))
}

/// A number that -1, 0 or null may leave out.
fn optional(config: &Value, key: &str) -> Option<usize> {
    config[key].as_i64().filter(|&value| value > 0).map(|value| value as usize)
}

/// The reference ignores attention sizes that no level has; we refuse them.
fn existing(image_size: usize, n_levels: usize, sizes: Vec<usize>) -> Vec<usize> {
    sizes.into_iter().filter(|&size| (0..n_levels).any(|level| image_size >> level == size)).collect()
}

/// OpenAI's U-Net.
pub fn adm(config: &Value) -> Architecture {
    let image_size = number(config, "image_size");
    let channel_mult = numbers(config, "channel_mult");
    // The case gives downsampling factors.
    let sizes = numbers(config, "attention_resolutions").iter().map(|factor| image_size / factor).collect();
    Architecture::Adm(AdmConfig {
        image_size: image_size.into(),
        in_channels: number(config, "in_channels"),
        out_channels: number(config, "out_channels"),
        model_channels: number(config, "model_channels"),
        num_res_blocks: number(config, "num_res_blocks"),
        attention_resolutions: existing(image_size, channel_mult.len(), sizes),
        channel_mult,
        n_classes: optional(config, "num_classes"),
        heads: match optional(config, "num_head_channels") {
            Some(width) => AdmHeads::Width(width),
            None => AdmHeads::Count {
                heads: number(config, "num_heads"),
                upsample: optional(config, "num_heads_upsample"),
            },
        },
        scale_shift_norm: flag(config, "use_scale_shift_norm"),
        resample: match (flag(config, "resblock_updown"), flag(config, "conv_resample")) {
            (true, _) => AdmResample::ResBlock,
            (false, true) => AdmResample::Convolution,
            (false, false) => AdmResample::Pooling,
        },
        dropout: config["dropout"].as_f64().expect("a dropout rate"),
        ..AdmConfig::imagenet64()
    })
}

/// EDM's networks.
pub fn edm(config: &Value) -> Architecture {
    let image_size = number(config, "img_resolution");
    let channels = number(config, "img_channels");
    let channel_mult = numbers(config, "channel_mult");
    let attention_resolutions = existing(image_size, channel_mult.len(), numbers(config, "attn_resolutions"));
    let dropout = config["dropout"].as_f64().expect("a dropout rate");
    let augment_dim = optional(config, "augment_dim").unwrap_or(0);
    match config["model_type"].as_str() {
        Some("DhariwalUNet") => Architecture::Dhariwal(DhariwalConfig {
            image_size: image_size.into(),
            in_channels: channels,
            out_channels: channels,
            n_classes: optional(config, "label_dim"),
            guidance_embedding: false,
            augment_dim,
            model_channels: number(config, "model_channels"),
            channel_mult,
            channel_mult_emb: number(config, "channel_mult_emb"),
            num_blocks: number(config, "num_blocks"),
            attention_resolutions,
            dropout,
        }),
        Some("SongUNet") => Architecture::Song(SongConfig {
            image_size: image_size.into(),
            in_channels: channels,
            out_channels: channels,
            n_classes: optional(config, "label_dim"),
            guidance_embedding: false,
            augment_dim,
            model_channels: number(config, "model_channels"),
            channel_mult,
            channel_mult_emb: number(config, "channel_mult_emb"),
            num_blocks: number(config, "num_blocks"),
            attention_resolutions,
            dropout,
            embedding: match config["embedding_type"].as_str() {
                Some("positional") => NoiseEmbedding::Positional,
                Some("fourier") => NoiseEmbedding::Fourier,
                other => panic!("embedding {other:?}"),
            },
            fourier_scale: 16.0,
            channel_mult_noise: number(config, "channel_mult_noise"),
            encoder: match config["encoder_type"].as_str() {
                Some("standard") => Encoder::Standard,
                Some("skip") => Encoder::Skip,
                Some("residual") => Encoder::Residual,
                other => panic!("encoder {other:?}"),
            },
            decoder: match config["decoder_type"].as_str() {
                Some("standard") => Decoder::Standard,
                Some("skip") => Decoder::Skip,
                other => panic!("decoder {other:?}"),
            },
            resample_filter: taps(config, "resample_filter"),
        }),
        other => panic!("network {other:?}"),
    }
}

/// Each row of a matrix.
pub fn rows(array: &Array) -> Vec<Vec<f32>> {
    array.f32().chunks_exact(array.shape[1]).map(<[f32]>::to_vec).collect()
}

/// The class of each one-hot row; a row of zeros is of none.
pub fn classes(array: &Array) -> Vec<Option<usize>> {
    let class = |row: &Vec<f32>| {
        let ones = row.iter().filter(|&&value| value == 1.0).count();
        let zeros = row.iter().filter(|&&value| value == 0.0).count();
        assert!(ones <= 1 && ones + zeros == row.len(), "one-hot labels");
        row.iter().position(|&value| value == 1.0)
    };
    rows(array).iter().map(class).collect()
}
