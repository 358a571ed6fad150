//! What `UNet2DModel` of diffusers calls the parameters of our U-Net.

use crate::interop::NameMap;
use crate::interop::name_map::{Axes, Entry, Part};
use crate::model::network::{AdmConfig, AdmResample};
use crate::model::{Architecture, ModelError, ParameterSpec};

/// Parts of all blocks, ours and theirs; theirs of older versions last.
const PARTS: [(&str, &[&str]); 17] = [
    ("in_layers.0", &["norm1"]),
    ("in_layers.2", &["conv1"]),
    ("emb_layers.1", &["time_emb_proj"]),
    ("out_layers.0", &["norm2"]),
    ("out_layers.3", &["conv2"]),
    ("skip_connection", &["conv_shortcut"]),
    ("norm", &["group_norm"]),
    ("qkv", &[]),
    ("proj_out", &["to_out.0", "proj_attn"]),
    ("op", &["conv"]),
    ("conv", &["conv"]),
    ("time_embed.0", &["time_embedding.linear_1"]),
    ("time_embed.2", &["time_embedding.linear_2"]),
    ("label_emb", &["class_embedding"]),
    ("input_blocks.0.0", &["conv_in"]),
    ("out.0", &["conv_norm_out"]),
    ("out.2", &["conv_out"]),
];

/// Queries, keys and values, which they keep apart.
const QKV: [[&str; 2]; 3] = [["to_q", "query"], ["to_k", "key"], ["to_v", "value"]];

impl NameMap {
    /// The state dict of `UNet2DModel` of diffusers.
    ///
    /// Queries, keys and values are three linear layers there; the names that they had before diffusers 0.18 are found, too.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the architecture itself is impossible.
    ///
    /// # Source
    ///
    /// `scripts/convert_consistency_to_diffusers.py` of huggingface/diffusers, whose names these are; it knows the published networks
    /// only.
    pub fn diffusers(config: &AdmConfig) -> Result<Self, ModelError> {
        let network = Architecture::Adm(config.clone()).build()?;
        let blocks = blocks(config);
        let entry = |spec: &ParameterSpec| {
            let theirs = names(&blocks, &spec.name);
            let (shape, axes) = layout(spec, theirs.len());
            let part = |names| Part { names, shape: shape.clone(), axes, first_of: None };
            Entry {
                ours: spec.name.clone(),
                shape: spec.shape.clone(),
                parts: theirs.into_iter().map(part).collect(),
                order: None,
            }
        };
        Ok(Self { entries: network.parameters().iter().map(entry).collect(), constants: Vec::new() })
    }
}

/// Names of all blocks, ours and theirs.
fn blocks(config: &AdmConfig) -> Vec<(String, String)> {
    let n_levels = config.channel_mult.len();
    let mut blocks = Vec::new();
    let mut index = 1;
    for level in 0..n_levels {
        for block in 0..config.num_res_blocks {
            let [resnet, attention] =
                ["resnets", "attentions"].map(|kind| format!("down_blocks.{level}.{kind}.{block}"));
            blocks.push((format!("input_blocks.{index}.0"), resnet));
            blocks.push((format!("input_blocks.{index}.1"), attention));
            index += 1;
        }
        if level + 1 < n_levels {
            blocks.push((format!("input_blocks.{index}.0"), format!("down_blocks.{level}.downsamplers.0")));
            index += 1;
        }
    }
    for (ours, theirs) in [(0, "resnets.0"), (1, "attentions.0"), (2, "resnets.1")] {
        blocks.push((format!("middle_block.{ours}"), format!("mid_block.{theirs}")));
    }
    let mut index = 0;
    for level in (0..n_levels).rev() {
        let up = n_levels - 1 - level;
        for block in 0..=config.num_res_blocks {
            let [resnet, attention] =
                ["resnets", "attentions"].map(|kind| format!("up_blocks.{up}.{kind}.{block}"));
            let attends = config.attends(level);
            blocks.push((format!("output_blocks.{index}.0"), resnet));
            if attends {
                blocks.push((format!("output_blocks.{index}.1"), attention));
            }
            if level > 0 && block == config.num_res_blocks {
                let place = if attends { 2 } else { 1 };
                let upsampler = format!("up_blocks.{up}.upsamplers.0");
                blocks.push((format!("output_blocks.{index}.{place}"), upsampler));
            }
            index += 1;
        }
    }
    blocks
}

/// Their names of the arrays that a parameter is made of, each with those of older versions.
fn names(blocks: &[(String, String)], ours: &str) -> Vec<Vec<String>> {
    let (path, kind) = ours.rsplit_once('.').unwrap_or((ours, ""));
    let within = |block: &str| path.strip_prefix(block)?.strip_prefix('.');
    let block = blocks.iter().find_map(|(ours, theirs)| Some((theirs.as_str(), within(ours)?)));
    let (theirs, part) = block.map_or((String::new(), path), |(theirs, part)| (format!("{theirs}."), part));
    let named = |part: &&str| format!("{theirs}{part}.{kind}");
    if part == "qkv" {
        return QKV.iter().map(|names| names.iter().map(named).collect()).collect();
    }
    let known = PARTS.iter().find(|(ours, _)| *ours == part).map_or(&[][..], |(_, theirs)| theirs);
    vec![known.iter().map(named).collect()]
}

/// The shape of an array of theirs of which a parameter has so many, and the order of its numbers.
fn layout(spec: &ParameterSpec, n_parts: usize) -> (Vec<usize>, Axes) {
    let is_table = spec.name == "label_emb.weight";
    // Beside the three, the last layer of an attention is linear there, too.
    let is_linear = n_parts > 1 || spec.name.ends_with(".proj_out.weight");
    match spec.shape[..] {
        [n_in, n_out] if !is_table => (vec![n_out, n_in], Axes::OutputFirst),
        [1, 1, n_in, n_out] if is_linear => (vec![n_out / n_parts, n_in], Axes::OutputFirst),
        [height, width, n_in, n_out] => (vec![n_out, n_in, height, width], Axes::OutputFirst),
        [n_out] => (vec![n_out / n_parts], Axes::Same),
        _ => (spec.shape.clone(), Axes::Same),
    }
}

impl AdmConfig {
    /// Why `UNet2DModel` cannot be told these settings; none if it can.
    pub(crate) fn unknown_to_diffusers(&self) -> Option<String> {
        if self.guidance_embedding {
            return Some("it is told a guidance scale, and `UNet2DModel` is told none".into());
        }
        if self.resample == AdmResample::Pooling {
            return Some("it changes resolution without weights, and `UNet2DModel` has no such level".into());
        }
        if self.channel_mult.first() != Some(&1) {
            return Some(format!(
                "its first level has {} times the channels of its embedding, and those of `UNet2DModel` are as many",
                self.channel_mult.first().unwrap_or(&0)
            ));
        }
        None
    }
}
