//! The settings of EDM's networks, from their state dicts.

use super::{Shapes, multiple, odd, resolutions};
use crate::interop::InteropError;
use crate::model::Architecture;
use crate::model::network::{Decoder, DhariwalConfig, Encoder, NoiseEmbedding, SongConfig};
use crate::size::ImageSize;

/// Finds the settings of one of EDM's networks; names may begin with `prefix`.
///
/// All that is computed leaves a trace: levels carry the height and width of their feature maps in their names. What is not told is
/// what only training needs, such as dropout, and the filter of resampling where the file has none; `filter` gives it, one axis.
///
/// # Errors
///
/// [`InteropError::Unsupported`] for another structure.
pub(in crate::interop) fn edm(
    shapes: Shapes<'_>,
    prefix: &str,
    filter: Vec<f32>,
) -> Result<Architecture, InteropError> {
    let name = |part: &str| format!("{prefix}{part}");
    let levels = levels(shapes, prefix);
    let Some(&top) = levels.first() else { return Err(odd("there is no level".into())) };
    let is_adm = shapes.has(&name("out_conv.weight"));
    let first = name(&format!("enc.{}_conv.weight", level_name(top)));
    let n_noise = shapes.extent(&name("map_layer0.weight"), 1)?;
    let model_channels = if is_adm { n_noise } else { shapes.extent(&first, 0)? };
    let block =
        |way: &str, level: ImageSize, part: &str| name(&format!("{way}.{}_{part}", level_name(level)));
    let num_blocks =
        shapes.count(|index| shapes.has(&block("enc", top, &format!("block{index}.conv0.weight"))));
    let mut channel_mult = Vec::new();
    let mut attending = Vec::new();
    for (index, &level) in levels.iter().enumerate() {
        if level != top.halved(index) {
            return Err(odd(format!("level {index} has feature maps of {level}")));
        }
        let channels = shapes.extent(&block("enc", level, "block0.conv0.weight"), 0)?;
        channel_mult.push(multiple(&format!("level {index}"), channels, model_channels)?);
        if shapes.has(&block("enc", level, "block0.qkv.weight")) {
            attending.push(index);
        }
    }
    let lower = |part: &str| levels.get(1).is_some_and(|&level| shapes.has(&block("enc", level, part)));
    let decoder = |level: &ImageSize| shapes.has(&block("dec", *level, "aux_conv.weight"));
    let output = if is_adm { name("out_conv.weight") } else { block("dec", top, "aux_conv.weight") };
    let of = |part: &str| shapes.find(&name(part)).and_then(|shape| shape.get(1).copied());
    let n_embedding = shapes.extent(&name("map_layer0.weight"), 0)?;
    let (in_channels, out_channels) = (shapes.extent(&first, 1)?, shapes.extent(&output, 0)?);
    let channel_mult_emb = multiple("the embedding", n_embedding, model_channels)?;
    let (n_classes, augment_dim) = (of("map_label.weight"), of("map_augment.weight").unwrap_or(0));
    let attention_resolutions = resolutions(top, attending);
    Ok(if is_adm {
        Architecture::Dhariwal(DhariwalConfig {
            image_size: top,
            in_channels,
            out_channels,
            n_classes,
            guidance_embedding: false,
            augment_dim,
            model_channels,
            channel_mult,
            channel_mult_emb,
            num_blocks,
            attention_resolutions,
            dropout: 0.0,
        })
    } else {
        let usual = SongConfig::cifar10_ddpmpp();
        let is_fourier = shapes.has(&name("map_noise.freqs"));
        let encoder = match (lower("aux_skip.weight"), lower("aux_residual.weight")) {
            (true, _) => Encoder::Skip,
            (_, true) => Encoder::Residual,
            _ => Encoder::Standard,
        };
        Architecture::Song(SongConfig {
            image_size: top,
            in_channels,
            out_channels,
            n_classes,
            guidance_embedding: false,
            augment_dim,
            model_channels,
            channel_mult,
            channel_mult_emb,
            num_blocks,
            attention_resolutions,
            dropout: 0.0,
            embedding: if is_fourier { NoiseEmbedding::Fourier } else { NoiseEmbedding::Positional },
            channel_mult_noise: multiple("the noise embedding", n_noise, model_channels)?,
            encoder,
            decoder: if levels.iter().skip(1).any(decoder) { Decoder::Skip } else { Decoder::Standard },
            resample_filter: filter,
            ..usual
        })
    })
}

/// What parameters call a level.
fn level_name(size: ImageSize) -> String {
    format!("{}x{}", size.height, size.width)
}

/// Sizes of the feature maps, from the top down.
fn levels(shapes: Shapes<'_>, prefix: &str) -> Vec<ImageSize> {
    let size = |name: &String| -> Option<ImageSize> {
        let level = name.strip_prefix(prefix)?.strip_prefix("enc.")?.split_once('_')?.0;
        let (height, width) = level.split_once('x')?;
        let side = |text: &str| text.parse::<usize>().ok().filter(|&side| side > 0 && side <= 1 << 16);
        Some(ImageSize { height: side(height)?, width: side(width)? })
    };
    let mut levels: Vec<ImageSize> = shapes.0.keys().filter_map(size).collect();
    levels.sort_unstable_by_key(|size| std::cmp::Reverse((size.height, size.width)));
    levels.dedup();
    levels
}
