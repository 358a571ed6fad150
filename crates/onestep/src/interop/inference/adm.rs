//! The settings of OpenAI's U-Net, from its state dict.

use super::{Shapes, multiple, odd, resolutions};
use crate::interop::{Choices, InteropError, QkvOrder};
use crate::model::network::{AdmConfig, AdmHeads, AdmResample};
use crate::size::ImageSize;

/// Finds the settings of OpenAI's U-Net, and the order of its fused attention channels.
///
/// Three things have no trace in names and shapes: the size of the images, how many heads attend, and in which order the fused
/// channels lie. The published networks are known by their widths; for others they are asked for.
///
/// # Errors
///
/// [`InteropError::Undecided`] for what has to be said; [`InteropError::Unsupported`] for another structure.
pub(in crate::interop) fn adm(
    shapes: Shapes<'_>,
    choices: &Choices,
) -> Result<(AdmConfig, QkvOrder), InteropError> {
    let model_channels = shapes.extent("time_embed.0.weight", 1)?;
    let n_input = block_count(shapes, "input_blocks");
    let n_output = block_count(shapes, "output_blocks");
    let (per_level, resample) = levels(shapes, n_input, n_output)?;
    let n_levels = multiple("the way up", n_output, per_level)?;
    if n_input != n_output {
        return Err(odd(format!("{n_input} blocks lead down and {n_output} up")));
    }
    let num_res_blocks = per_level - 1;
    // Block 0 is a convolution; each level begins at a multiple of its length and has its width throughout.
    let first = |level: usize| 1 + level * per_level;
    let channel_mult = (0..n_levels)
        .map(|level| {
            let name = format!("input_blocks.{}.0.out_layers.3.weight", first(level));
            multiple(&format!("level {level}"), shapes.extent(&name, 0)?, model_channels)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let attends = |level: &usize| shapes.has(&format!("input_blocks.{}.1.qkv.weight", first(*level)));
    let attending: Vec<usize> = (0..n_levels).filter(attends).collect();
    let n_classes = shapes.find("label_emb.weight").and_then(|shape| shape.first().copied());
    let embedding = shapes.extent("input_blocks.1.0.emb_layers.1.weight", 0)?;
    let usual = Usual::of(model_channels, &channel_mult);
    let image_size = match (choices.image_size, usual) {
        (Some(size), _) => size,
        (None, Some(usual)) => usual.image_size.into(),
        (None, None) => return Err(Choices::size_needed()),
    };
    let heads = match (choices.heads, usual) {
        (Some(heads), _) => heads,
        (None, Some(usual)) => usual.heads,
        (None, None) => {
            let fused = shapes.find("middle_block.1.qkv.weight").and_then(|shape| shape.first());
            return Err(heads_needed(fused.copied().unwrap_or(0)));
        }
    };
    let config = AdmConfig {
        image_size,
        in_channels: shapes.extent("input_blocks.0.0.weight", 1)?,
        out_channels: shapes.extent("out.2.weight", 0)?,
        model_channels,
        num_res_blocks,
        attention_resolutions: attention(image_size, attending, n_levels)?,
        channel_mult,
        n_classes,
        guidance_embedding: false,
        heads,
        scale_shift_norm: embedding == 2 * shapes.extent("input_blocks.1.0.out_layers.3.weight", 0)?,
        resample,
        ..AdmConfig::imagenet64()
    };
    Ok((config, qkv_order(shapes, choices)?))
}

/// Blocks of one way, by the highest number that any has: blocks without weights leave no trace.
fn block_count(shapes: Shapes<'_>, way: &str) -> usize {
    let number = |name: &String| name.strip_prefix(way)?.strip_prefix('.')?.split('.').next()?.parse().ok();
    let highest = shapes.0.keys().filter_map(number).max();
    // A number beyond all tensors is none of a block.
    highest.map_or(0, |highest: usize| highest.min(shapes.0.len()) + 1)
}

/// Blocks of a level on the way up, and how levels are joined.
fn levels(shapes: Shapes<'_>, n_input: usize, n_output: usize) -> Result<(usize, AdmResample), InteropError> {
    let has = |block: usize, layer: usize, part: &str| {
        shapes.has(&format!("output_blocks.{block}.{layer}.{part}.weight"))
    };
    // Behind the residual block, and the attention if there is one, the last block of a level enlarges.
    let enlarges = |part: &str| {
        (0..n_output).find(|&block| (1..=2).any(|layer| has(block, layer, part))).map(|block| block + 1)
    };
    // On the way down, a block without weights halves; before the last one there is always another.
    let hole = (1..n_input).find(|block| !shapes.has_prefix(&format!("input_blocks.{block}.")));
    let found = match (enlarges("in_layers.0"), enlarges("conv"), hole) {
        (Some(per_level), None, None) => (per_level, AdmResample::ResBlock),
        (None, Some(per_level), None) => (per_level, AdmResample::Convolution),
        (None, None, Some(per_level)) => (per_level, AdmResample::Pooling),
        (None, None, None) => (n_output, AdmResample::ResBlock),
        _ => return Err(odd("levels are joined in several ways".into())),
    };
    match found.0 {
        0 | 1 => Err(odd("a level has no blocks".into())),
        _ => Ok(found),
    }
}

/// Sizes of the feature maps that attend, if the image can be halved so often.
pub(super) fn attention(
    size: ImageSize,
    levels: Vec<usize>,
    n_levels: usize,
) -> Result<Vec<usize>, InteropError> {
    let halves = |side: usize| side > 0 && side.trailing_zeros() as usize + 1 >= n_levels;
    if halves(size.height) && halves(size.width) {
        Ok(resolutions(size, levels))
    } else {
        let what = format!("images of {size}");
        let why = format!("the network has {n_levels} levels, and each halves them");
        Err(InteropError::Unsupported { what, why })
    }
}

/// What is known of a network by its widths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    pub image_size: usize,
    pub heads: AdmHeads,
}

impl Usual {
    /// The published networks: consistency models and guided-diffusion of 64, 128 and 256 pixels.
    pub(super) fn of(model_channels: usize, channel_mult: &[usize]) -> Option<Self> {
        let (image_size, heads) = match (model_channels, channel_mult) {
            (192, [1, 2, 3, 4]) => (64, AdmHeads::Width(64)),
            (256, [1, 1, 2, 3, 4]) => (128, AdmHeads::Count { heads: 4, upsample: None }),
            (256, [1, 1, 2, 2, 4, 4]) => (256, AdmHeads::Width(64)),
            _ => return None,
        };
        Some(Self { image_size, heads })
    }
}

/// The error for heads that have to be said, with the fused channels of queries, keys and values; where nothing attends, they do not matter, but they cannot be left out.
pub(super) fn heads_needed(fused: usize) -> InteropError {
    let width = fused / 3;
    InteropError::Undecided {
        why: format!(
            "how many heads share the {width} channels of its attention cannot be seen from the file"
        ),
        option: "--head-channels 64, or --heads 4, as it was trained",
    }
}

/// The order of the fused channels: consistency_models has convolutions of two dimensions, guided-diffusion of one, in either
/// order.
fn qkv_order(shapes: Shapes<'_>, choices: &Choices) -> Result<QkvOrder, InteropError> {
    let rank = shapes.find("middle_block.1.qkv.weight").map_or(4, <[_]>::len);
    match choices.qkv_order {
        Some(order) => Ok(order),
        None if rank == 4 => Ok(QkvOrder::ThreeFirst),
        None => Err(InteropError::Undecided {
            why: "its attention is written as guided-diffusion does, which has the fused channels of queries, keys and values in \
                  two orders that look alike"
                .into(),
            option: "--qkv-order heads-first (guided-diffusion, and all that it published), or --qkv-order three-first \
                     (`use_new_attention_order`, and consistency_models)",
        }),
    }
}
