//! The settings of diffusers' `UNet2DModel`, from its state dict alone.

use super::adm::{Usual, attention, heads_needed};
use super::{Shapes, multiple, odd};
use crate::interop::{Choices, InteropError};
use crate::model::network::{AdmConfig, AdmResample};

/// Finds the settings of a network whose levels are joined by residual blocks, as the published consistency models are.
///
/// What has no trace in names and shapes, the order of sinusoids and the numbers of the norms, is taken to be that of those models.
/// Networks of DDPM, joined by convolutions, vary in it, and in where their convolutions are padded; they are not guessed.
///
/// # Errors
///
/// [`InteropError::Undecided`] for what has to be said; [`InteropError::Unsupported`] for another structure.
pub(in crate::interop) fn diffusers(
    shapes: Shapes<'_>,
    choices: &Choices,
) -> Result<AdmConfig, InteropError> {
    let model_channels = shapes.extent("conv_in.weight", 0)?;
    let level = |level: usize, part: &str| format!("down_blocks.{level}.{part}");
    let first = |index: usize| level(index, "resnets.0.conv1.weight");
    let n_levels = shapes.count(|index| shapes.has(&first(index)));
    if n_levels == 0 {
        return Err(odd("there is no level".into()));
    }
    if n_levels > 1 && !shapes.has(&level(0, "downsamplers.0.conv1.weight")) {
        let what = "a file of this network without its `config.json`".to_owned();
        let why =
            "how its convolutions are padded and its sinusoids ordered is said there alone; give the folder";
        return Err(InteropError::Unsupported { what, why: why.into() });
    }
    let channel_mult = (0..n_levels)
        .map(|index| multiple(&format!("level {index}"), shapes.extent(&first(index), 0)?, model_channels))
        .collect::<Result<Vec<_>, _>>()?;
    let resnet = |index: usize| shapes.has(&level(0, &format!("resnets.{index}.conv1.weight")));
    let attends = |index: &usize| shapes.has(&level(*index, "attentions.0.group_norm.weight"));
    let usual = Usual::of(model_channels, &channel_mult);
    let image_size = match (choices.image_size, usual) {
        (Some(size), _) => size,
        (None, Some(usual)) => usual.image_size.into(),
        (None, None) => return Err(Choices::size_needed()),
    };
    let heads = match (choices.heads, usual) {
        (Some(heads), _) => heads,
        (None, Some(usual)) => usual.heads,
        (None, None) => return Err(heads_needed(3 * shapes.extent(&first(n_levels - 1), 0)?)),
    };
    let modulation = shapes.extent(&level(0, "resnets.0.time_emb_proj.weight"), 0)?;
    Ok(AdmConfig {
        image_size,
        in_channels: shapes.extent("conv_in.weight", 1)?,
        out_channels: shapes.extent("conv_out.weight", 0)?,
        model_channels,
        num_res_blocks: shapes.count(resnet),
        attention_resolutions: attention(image_size, (0..n_levels).filter(attends).collect(), n_levels)?,
        channel_mult,
        n_classes: shapes.find("class_embedding.weight").and_then(|shape| shape.first().copied()),
        heads,
        scale_shift_norm: modulation == 2 * shapes.extent(&first(0), 0)?,
        resample: AdmResample::ResBlock,
        middle_attention: shapes.has("mid_block.attentions.0.group_norm.weight"),
        ..AdmConfig::imagenet64()
    })
}
