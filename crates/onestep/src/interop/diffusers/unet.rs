//! The network of `unet/config.json`.

use serde_json::{Value, json};

use super::settings::Settings;
use crate::interop::{Choices, InteropError};
use crate::model::network::{AdmConfig, AdmHeads, AdmResample, Order, Spacing};
use crate::size::ImageSize;

/// How a block changes the resolution, and whether it attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    resample: Resample,
    attends: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resample {
    ResBlock,
    Convolution,
}

/// Reads the settings of `UNet2DModel`; what is left out has the library's defaults.
///
/// `time_scale` is what the noise code of the form is multiplied by before the network is told it. The configuration has the outputs
/// that the file says.
///
/// # Errors
///
/// [`InteropError::Unsupported`] with the key and the value of a setting that our networks do not have; [`InteropError::Settings`] for
/// one that contradicts itself; [`InteropError::Undecided`] where the file does not say the size of the images.
pub(super) fn config(
    mut settings: Settings,
    time_scale: f64,
    choices: &Choices,
) -> Result<AdmConfig, InteropError> {
    settings.only(
        "_class_name",
        &[json!("UNet2DModel"), json!("UNet2D")],
        "networks of `UNet2DModel` are read",
    )?;
    let image_size = image_size(&mut settings, choices)?;
    let in_channels = settings.whole("in_channels", 3)?;
    let out_channels = settings.whole("out_channels", 3)?;
    settings.only("center_input_sample", &[json!(false)], "images in [-1, 1] are what networks take")?;
    settings.only(
        "time_embedding_type",
        &[json!("positional")],
        "of the time embeddings, `positional` is read: frequencies that are drawn or learned are not",
    )?;
    // Only a learned embedding asks for it.
    settings.take("num_train_timesteps");
    let sinusoid_order = match settings.flag("flip_sin_to_cos", true)? {
        true => Order::CosSin,
        false => Order::SinCos,
    };
    let shift = settings.number("freq_shift", 0.0)?;
    let sinusoid_spacing = match shift {
        0.0 => Spacing::WithoutEndpoint,
        1.0 => Spacing::WithEndpoint,
        _ => return Err(settings.unsupported("freq_shift", &json!(shift), "it is 0 or 1")),
    };
    let widths = settings.list("block_out_channels", &[224, 448, 672, 896], whole)?;
    let model_channels = widths.first().copied().unwrap_or(0);
    let channel_mult = widths
        .iter()
        .map(|&width| match width {
            1.. if model_channels > 0 && width.is_multiple_of(model_channels) => Ok(width / model_channels),
            _ => Err(settings.unsupported(
                "block_out_channels",
                &json!(widths),
                "the channels of all levels are multiples of the first one's",
            )),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let embedding = settings.optional("time_embedding_dim", None)?;
    if let Some(width) = embedding.filter(|&width| width != 4 * model_channels) {
        let why =
            format!("the embedding has four times the channels of the first level, {}", 4 * model_channels);
        return Err(settings.unsupported("time_embedding_dim", &json!(width), &why));
    }
    let (attending, resample) = blocks(&mut settings, widths.len())?;
    let heads = match settings.optional("attention_head_dim", Some(8))? {
        Some(width) => AdmHeads::Width(width),
        None => AdmHeads::Count { heads: 1, upsample: None },
    };
    let scale_shift_norm = match &settings.text("resnet_time_scale_shift", "default")?[..] {
        "default" => false,
        "scale_shift" => true,
        other => {
            return Err(settings.unsupported(
                "resnet_time_scale_shift",
                &json!(other),
                "it is `default` or `scale_shift`",
            ));
        }
    };
    let groups = settings.whole("norm_num_groups", 32)?;
    let middle_attention = middle(&mut settings, groups, scale_shift_norm)?;
    settings.only("act_fn", &[json!("silu"), json!("swish")], "the activation is `silu`")?;
    settings.only(
        "class_embed_type",
        &[Value::Null],
        "classes are rows of a table, which is `null` with `num_class_embeds`",
    )?;
    let attention_resolutions =
        attending.into_iter().map(|level| image_size.halved(level).shorter()).collect();
    let config = AdmConfig {
        image_size,
        in_channels,
        out_channels,
        model_channels,
        num_res_blocks: settings.whole("layers_per_block", 2)?,
        attention_resolutions,
        channel_mult,
        n_classes: settings.optional("num_class_embeds", None)?,
        guidance_embedding: false,
        heads,
        scale_shift_norm,
        resample,
        dropout: settings.number("dropout", 0.0)?,
        groups,
        epsilon: settings.number("norm_eps", 1e-5)?,
        middle_attention,
        time_scale,
        sinusoid_order,
        sinusoid_spacing,
    };
    settings.finish()?;
    Ok(config)
}

/// Height and width of the images.
fn image_size(settings: &mut Settings, choices: &Choices) -> Result<ImageSize, InteropError> {
    let said = settings.take("sample_size").filter(|value| !value.is_null());
    let Some(value) = said else { return choices.image_size.ok_or_else(Choices::size_needed) };
    let side = |value: &Value| whole(value).filter(|side| (1..=1 << 16).contains(side));
    match (side(&value), value.as_array().map(Vec::as_slice)) {
        (Some(side), _) => Ok(side.into()),
        (None, Some([height, width])) if let (Some(height), Some(width)) = (side(height), side(width)) => {
            Ok(ImageSize { height, width })
        }
        _ => Err(settings.odd("sample_size", &value, "the side of the images, or height and width")),
    }
}

/// The levels that attend, and how levels are joined.
fn blocks(settings: &mut Settings, n_levels: usize) -> Result<(Vec<usize>, AdmResample), InteropError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let usual = |names: [&str; 4]| names.map(str::to_owned);
    let down = settings.list(
        "down_block_types",
        &usual(["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
        text,
    )?;
    let up = settings.list(
        "up_block_types",
        &usual(["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
        text,
    )?;
    let attending_down = resample_of(settings, "downsample_type")?;
    let attending_up = resample_of(settings, "upsample_type")?;
    let padding = settings.whole("downsample_padding", 1)?;
    let known = |key: &str, types: &[String], attending: Resample| {
        // The first published networks have longer names.
        let block = |name: &String| match name.strip_prefix("UNetRes").unwrap_or(name) {
            "DownBlock2D" | "UpBlock2D" => Ok(Block { resample: Resample::Convolution, attends: false }),
            "ResnetDownsampleBlock2D" | "ResnetUpsampleBlock2D" => {
                Ok(Block { resample: Resample::ResBlock, attends: false })
            }
            "AttnDownBlock2D" | "AttnUpBlock2D" => Ok(Block { resample: attending, attends: true }),
            _ => Err(settings.unsupported(key, &json!(name), "no such block is known here")),
        };
        types.iter().map(block).collect::<Result<Vec<_>, _>>()
    };
    let [down_blocks, mut up_blocks] =
        [known("down_block_types", &down, attending_down)?, known("up_block_types", &up, attending_up)?];
    up_blocks.reverse();
    if down_blocks.len() != n_levels || up_blocks.len() != n_levels {
        let why = format!("`block_out_channels` has {n_levels} levels, and so must have both ways");
        return Err(settings.unsupported("down_block_types", &json!(down), &why));
    }
    let attends = |blocks: &[Block]| blocks.iter().map(|block| block.attends).collect::<Vec<_>>();
    if attends(&down_blocks) != attends(&up_blocks) {
        let why = format!("the way up mirrors the way down, {}, in which levels attend", json!(down));
        return Err(settings.unsupported("up_block_types", &json!(up), &why));
    }
    // The last level down and the first up join nothing: their own ways do not matter.
    let joining = &down_blocks[..n_levels.saturating_sub(1)];
    let mut ways = joining.iter().chain(up_blocks.iter().skip(1)).map(|block| block.resample);
    let first = ways.next().unwrap_or(Resample::ResBlock);
    if ways.any(|way| way != first) {
        let why = "all levels are joined in one way, by residual blocks or by convolutions, down and up";
        return Err(settings.unsupported("down_block_types", &json!([down, up]), why));
    }
    let resample = match (first, padding) {
        (Resample::ResBlock, _) => AdmResample::ResBlock,
        (Resample::Convolution, 1) => AdmResample::Convolution,
        (Resample::Convolution, 0) => AdmResample::ConvolutionPaddedBehind,
        (Resample::Convolution, _) => {
            return Err(settings.unsupported("downsample_padding", &json!(padding), "it is 0 or 1"));
        }
    };
    let attending = (0..n_levels).filter(|&level| down_blocks[level].attends).collect();
    Ok((attending, resample))
}

/// How blocks that attend change the resolution.
fn resample_of(settings: &mut Settings, key: &str) -> Result<Resample, InteropError> {
    match &settings.text(key, "conv")?[..] {
        "conv" => Ok(Resample::Convolution),
        "resnet" => Ok(Resample::ResBlock),
        other => Err(settings.unsupported(key, &json!(other), "it is `conv` or `resnet`")),
    }
}

/// Whether the middle attends.
fn middle(settings: &mut Settings, groups: usize, scale_shift: bool) -> Result<bool, InteropError> {
    settings.only("mid_block_type", &[json!("UNetMidBlock2D")], "the middle is `UNetMidBlock2D`")?;
    let scale = settings.number("mid_block_scale_factor", 1.0)?;
    if scale != 1.0 {
        return Err(settings.unsupported("mid_block_scale_factor", &json!(scale), "it is 1"));
    }
    let attends = settings.flag("add_attention", true)?;
    let attention_groups = settings.optional("attn_norm_num_groups", None)?;
    match attention_groups {
        _ if !attends => {}
        Some(of_attention) if of_attention == groups => {}
        // The library gives the attention no norm at all then.
        None if scale_shift => {
            let why =
                "with `resnet_time_scale_shift` `scale_shift`, the attention of the middle has no norm then";
            return Err(settings.unsupported("attn_norm_num_groups", &Value::Null, why));
        }
        None => {}
        Some(of_attention) => {
            let why = format!("all norms have the same number of groups, {groups}");
            return Err(settings.unsupported("attn_norm_num_groups", &json!(of_attention), &why));
        }
    }
    Ok(attends)
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().filter(|&number| number <= 1 << 20)?.try_into().ok()
}
