//! Folders that diffusers loads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::folder::{pretty, write_folder};
use super::pipeline::{VERSION, pipeline};
use super::state_dict::{finite, values_of};
use super::{ExportError, ExportOptions, model_card};
use crate::arrays::write_foreign;
use crate::checkpoint::ModelHeader;
use crate::interop::NameMap;
use crate::interop::diffusers::{NETWORK_FILE, Record};
use crate::model::network::{AdmConfig, AdmHeads, AdmResample, Order, Spacing};
use crate::model::{Architecture, Weights};
use crate::{Result, TOOL};

/// Whom folders are written for, in messages.
const PROGRAM: &str = "diffusers";

/// Writes a model as a folder that `DiffusionPipeline.from_pretrained` of diffusers loads: the network, the scheduler, a model card,
/// and a record of what diffusers has no place for, which makes it the same model when it is opened here again.
///
/// A consistency model in the published form becomes a `ConsistencyModelPipeline`, a model of discrete steps without classes a
/// `DDIMPipeline`. One tensor at a time is in memory.
///
/// # Errors
///
/// - [`ExportError`] for models that diffusers cannot be told, with the reason; for weights that are NaN or infinite.
/// - [`OutputError`](crate::data::OutputError): something in the folder that must not be written over.
/// - [`DataError::Write`](crate::data::DataError::Write); an existing folder is as it was.
pub fn write_diffusers(
    header: &ModelHeader,
    weights: &Weights,
    folder: &Path,
    options: &ExportOptions,
) -> Result<()> {
    let unknown = |reason: String| ExportError::unknown(PROGRAM, reason);
    let Architecture::Adm(config) = &header.architecture else {
        return Err(unknown(
            "its network is none of OpenAI's kind, ADM, and `UNet2DModel` can be no other; `.safetensors` or `.pt` keeps the names of \
             the original implementation"
                .into(),
        ));
    };
    let settings = unet(config).map_err(unknown)?;
    let pipeline = pipeline(header, config).map_err(unknown)?;
    finite(weights)?;
    let map = NameMap::diffusers(config)?;
    let title = options.title.clone().or_else(|| Some(folder.file_name()?.to_string_lossy().into_owned()));
    let card = model_card(header, &title.unwrap_or_default(), PROGRAM, &pipeline.use_of_it, options);
    let record = Record {
        method: header.method.clone(),
        class_names: header.class_names.clone(),
        sampling_levels: header.sampling_levels.clone(),
    };
    write_folder(folder, &options.outputs, record, |output| {
        let index = json!({
            "_class_name": pipeline.class,
            "_diffusers_version": VERSION,
            "scheduler": ["diffusers", pipeline.scheduler],
            "unet": ["diffusers", "UNet2DModel"],
        });
        output.text("model_index.json", &pretty(&index))?;
        output.text("scheduler/scheduler_config.json", &pretty(&pipeline.settings))?;
        output.text("unet/config.json", &pretty(&settings))?;
        let shapes = map.shapes();
        let values = map.written(values_of(weights)).map(|(_, _, values)| values);
        // The first is what PyTorch's own readers of the format ask for.
        let metadata = BTreeMap::from([("format", "pt".to_owned()), ("tool", TOOL.to_owned())]);
        output
            .file(&format!("unet/{NETWORK_FILE}"), |file| write_foreign(file, &metadata, &shapes, values))?;
        output.text("README.md", &card)
    })
}

/// The settings of the network, or why there are none.
fn unet(config: &AdmConfig) -> Result<Value, String> {
    if let Some(reason) = config.unknown_to_diffusers() {
        return Err(reason);
    }
    if config.image_size.height != config.image_size.width {
        return Err(format!("its images are of {}, and the pipelines make square ones", config.image_size));
    }
    let n_levels = config.channel_mult.len();
    let widths: Vec<usize> = config.channel_mult.iter().map(|mult| mult * config.model_channels).collect();
    let is_resnet = config.resample == AdmResample::ResBlock;
    let block = |level: usize, way: [&'static str; 3]| match (config.attends(level), is_resnet) {
        (true, _) => way[0],
        (false, true) => way[1],
        (false, false) => way[2],
    };
    let down = ["AttnDownBlock2D", "ResnetDownsampleBlock2D", "DownBlock2D"];
    let up = ["AttnUpBlock2D", "ResnetUpsampleBlock2D", "UpBlock2D"];
    let way = if is_resnet { "resnet" } else { "conv" };
    Ok(json!({
        "_class_name": "UNet2DModel",
        "_diffusers_version": VERSION,
        "sample_size": config.image_size.height,
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "center_input_sample": false,
        "time_embedding_type": "positional",
        "freq_shift": u8::from(config.sinusoid_spacing == Spacing::WithEndpoint),
        "flip_sin_to_cos": config.sinusoid_order == Order::CosSin,
        "down_block_types": (0..n_levels).map(|level| block(level, down)).collect::<Vec<_>>(),
        "mid_block_type": "UNetMidBlock2D",
        "up_block_types": (0..n_levels).rev().map(|level| block(level, up)).collect::<Vec<_>>(),
        "block_out_channels": widths,
        "layers_per_block": config.num_res_blocks,
        "mid_block_scale_factor": 1,
        "downsample_padding": u8::from(config.resample != AdmResample::ConvolutionPaddedBehind),
        "downsample_type": way,
        "upsample_type": way,
        "dropout": config.dropout,
        "act_fn": "silu",
        "attention_head_dim": head_width(config)?,
        "norm_num_groups": config.groups,
        "attn_norm_num_groups": config.groups,
        "norm_eps": config.epsilon,
        "resnet_time_scale_shift": if config.scale_shift_norm { "scale_shift" } else { "default" },
        "add_attention": config.middle_attention,
        "class_embed_type": null,
        "num_class_embeds": config.n_classes,
        "num_train_timesteps": null,
    }))
}

/// Channels of a head, the same everywhere; none for one head over all channels, however many.
fn head_width(config: &AdmConfig) -> Result<Option<usize>, String> {
    let channels = |level: usize| config.channel_mult[level] * config.model_channels;
    let last = config.channel_mult.len().saturating_sub(1);
    let attending = (0..=last).filter(|&level| config.attends(level));
    let mut places: Vec<(usize, bool)> =
        attending.flat_map(|level| [(channels(level), false), (channels(level), true)]).collect();
    if config.middle_attention {
        places.push((channels(last), false));
    }
    let numbers: Vec<(usize, usize)> = places
        .into_iter()
        .map(|(channels, up)| (channels, config.heads.number(channels, up).max(1)))
        .collect();
    let widths: BTreeSet<usize> = numbers.iter().map(|(channels, heads)| channels / heads).collect();
    match widths.iter().next() {
        // Where nothing attends, it does not matter, and is kept.
        None => Ok(match config.heads {
            AdmHeads::Width(width) => Some(width),
            AdmHeads::Count { .. } => None,
        }),
        _ if numbers.iter().all(|&(_, heads)| heads == 1) => Ok(None),
        Some(&width) if widths.len() == 1 => Ok(Some(width)),
        _ => Err(format!(
            "its attention has heads of {widths:?} channels, and all heads of `UNet2DModel` are as wide"
        )),
    }
}
