//! Folders that diffusers loads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::folder::{pretty, write_folder};
use super::state_dict::{finite, values_of};
use super::{ExportError, ExportOptions, model_card};
use crate::arrays::write_foreign;
use crate::checkpoint::ModelHeader;
use crate::interop::NameMap;
use crate::interop::diffusers::{NETWORK_FILE, Record};
use crate::model::network::{AdmConfig, AdmResample, Order, Spacing};
use crate::model::{Answer, Architecture, Discrete, ModelKind, Preconditioning, Weights};
use crate::noise::{Betas, karras_level};
use crate::{Result, TOOL};

/// Whom folders are written for, in messages.
const PROGRAM: &str = "diffusers";

/// The version whose keys these are.
const VERSION: &str = "0.42.1";

/// A pipeline: its class, its scheduler with settings, and how it is called.
struct Pipeline {
    class: &'static str,
    scheduler: &'static str,
    settings: Value,
    use_of_it: String,
}

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
        output.file(&format!("unet/{NETWORK_FILE}"), |file| write_foreign(file, &metadata, &shapes, values))?;
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
    let mut places: Vec<(usize, bool)> = attending.flat_map(|level| [(channels(level), false), (channels(level), true)]).collect();
    if config.middle_attention {
        places.push((channels(last), false));
    }
    let numbers: Vec<(usize, usize)> =
        places.into_iter().map(|(channels, up)| (channels, config.heads.number(channels, up).max(1))).collect();
    let widths: BTreeSet<usize> = numbers.iter().map(|(channels, heads)| channels / heads).collect();
    match widths.iter().next() {
        _ if numbers.iter().all(|&(_, heads)| heads == 1) => Ok(None),
        Some(&width) if widths.len() == 1 => Ok(Some(width)),
        _ => Err(format!("its attention has heads of {widths:?} channels, and all heads of `UNet2DModel` are as wide")),
    }
}

/// The pipeline that samples from the model, or why there is none.
fn pipeline(header: &ModelHeader, config: &AdmConfig) -> Result<Pipeline, String> {
    let time_scale = match header.preconditioning {
        Preconditioning::Discrete(_) => 1.0,
        _ => AdmConfig::imagenet64().time_scale,
    };
    if config.time_scale != time_scale {
        return Err(format!("its network is told {} times the noise code, and a pipeline {time_scale} times", config.time_scale));
    }
    match (header.preconditioning, header.kind) {
        (Preconditioning::Boundary, ModelKind::Consistency) => Ok(consistency(header)),
        (Preconditioning::Discrete(_), ModelKind::Diffusion) if config.n_classes.is_some() => {
            Err("it knows classes, and the pipelines of diffusion models with `UNet2DModel` tell none".into())
        }
        (Preconditioning::Discrete(discrete), ModelKind::Diffusion) => Ok(discrete_steps(discrete)),
        (Preconditioning::Edm, ModelKind::Diffusion) => {
            Err("it is a diffusion model in the form of EDM, and no pipeline with `UNet2DModel` samples from one; a consistency model \
                 that was distilled from it can be written"
                .into())
        }
        (other, _) => {
            Err(format!("its output is put together in the form {}, and no pipeline does that", json!(other)))
        }
    }
}

fn consistency(header: &ModelHeader) -> Pipeline {
    let levels = header.sampling_levels.as_deref().unwrap_or_default();
    let (steps, timesteps) = timesteps(header, levels).unwrap_or((PUBLISHED_STEPS, Vec::new()));
    let mut use_of_it = loading("ConsistencyModelPipeline", "pipe(num_inference_steps=1).images[0].save(\"one-step.png\")");
    if !timesteps.is_empty() {
        use_of_it += &format!(
            "\n\nThe noise levels that were found to sample best, {levels:?}, are these timesteps of its scheduler, which lists them\nfrom \
             the last to the first:\n\n```python\npipe(num_inference_steps=None, timesteps={timesteps:?})\n```"
        );
    } else if levels.len() > 1 {
        use_of_it += &format!(
            "\n\nThe noise levels that were found to sample best, {levels:?}, are none of its scheduler, which begins at {} and knows \
             only\nlevels of its own grid.",
            header.sigma_max
        );
    }
    if let Some(n_classes) = n_classes(header) {
        use_of_it += &format!("\n\nA class is chosen with `class_labels`, a number from 0 to {}.", n_classes - 1);
    }
    Pipeline {
        class: "ConsistencyModelPipeline",
        scheduler: "CMStochasticIterativeScheduler",
        settings: json!({
            "_class_name": "CMStochasticIterativeScheduler",
            "_diffusers_version": VERSION,
            "num_train_timesteps": steps,
            "sigma_min": header.sigma_min,
            "sigma_max": header.sigma_max,
            "sigma_data": header.sigma_data,
            "s_noise": 1.0,
            "rho": header.rho,
            "clip_denoised": true,
        }),
        use_of_it,
    }
}

/// Levels in the grid of published pipelines.
const PUBLISHED_STEPS: usize = 40;

/// The finest grid that is looked for.
const MOST_STEPS: usize = 2000;

/// By how much of itself a level may differ from that of the grid.
const CLOSE: f64 = 2e-3;

/// The coarsest grid of the scheduler that has these levels, and their places in it as the pipeline takes them, descending; none where
/// there is none. The first level must be that of the grid, at which a pipeline always begins.
fn timesteps(header: &ModelHeader, levels: &[f64]) -> Option<(usize, Vec<usize>)> {
    if levels.len() < 2 || (levels[0] / header.sigma_max - 1.0).abs() > CLOSE {
        return None;
    }
    let root = |sigma: f64| sigma.powf(1.0 / header.rho);
    let (top, bottom) = (root(header.sigma_max), root(header.sigma_min));
    let place = |level: f64| (top - root(level)) / (top - bottom);
    (PUBLISHED_STEPS..=MOST_STEPS).find_map(|steps| {
        let last = (steps - 1) as f64;
        let mut places = Vec::new();
        for &level in levels {
            let index = (place(level) * last).round();
            let found = karras_level(1.0 - index / last, header.sigma_min, header.sigma_max, header.rho);
            // Two levels in one place would be one.
            if (found / level - 1.0).abs() > CLOSE || places.last().is_some_and(|&before| before >= index as usize) {
                return None;
            }
            places.push(index as usize);
        }
        places.reverse();
        Some((steps, places))
    })
}

fn n_classes(header: &ModelHeader) -> Option<usize> {
    match &header.architecture {
        Architecture::Adm(config) => config.n_classes,
        _ => None,
    }
}

fn discrete_steps(discrete: Discrete) -> Pipeline {
    let (schedule, (start, end)) = match discrete.schedule.betas() {
        Betas::Linear { start, end } => ("linear", (start, end)),
        Betas::ScaledLinear { start, end } => ("scaled_linear", (start, end)),
        Betas::Cosine => ("squaredcos_cap_v2", (1e-4, 0.02)),
    };
    let prediction = match discrete.answer {
        Answer::Noise => "epsilon",
        Answer::Velocity => "v_prediction",
        Answer::Clean => "sample",
    };
    Pipeline {
        class: "DDIMPipeline",
        scheduler: "DDIMScheduler",
        settings: json!({
            "_class_name": "DDIMScheduler",
            "_diffusers_version": VERSION,
            "num_train_timesteps": discrete.schedule.steps(),
            "beta_start": start,
            "beta_end": end,
            "beta_schedule": schedule,
            "trained_betas": null,
            "prediction_type": prediction,
            "clip_sample": true,
            "clip_sample_range": 1.0,
            "set_alpha_to_one": true,
            "steps_offset": 0,
            "timestep_spacing": "leading",
            "rescale_betas_zero_snr": false,
        }),
        use_of_it: loading("DDIMPipeline", "pipe(num_inference_steps=50).images[0].save(\"sample.png\")"),
    }
}

/// How a pipeline is loaded and called, as Markdown.
fn loading(class: &str, call: &str) -> String {
    format!("```python\nfrom diffusers import {class}\n\npipe = {class}.from_pretrained(\"PATH\")\n{call}\n```")
}
