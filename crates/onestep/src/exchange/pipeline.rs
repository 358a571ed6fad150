//! Which pipeline of diffusers samples from a model, and with which settings.

use serde_json::{Value, json};

use crate::checkpoint::ModelHeader;
use crate::model::network::AdmConfig;
use crate::model::{Answer, Architecture, Discrete, ModelKind, Preconditioning};
use crate::noise::{Betas, karras_level};

/// The version of diffusers whose keys are written.
pub(super) const VERSION: &str = "0.42.1";

/// A pipeline: its class, its scheduler with settings, and how it is called.
pub(super) struct Pipeline {
    pub class: &'static str,
    pub scheduler: &'static str,
    pub settings: Value,
    pub use_of_it: String,
}

/// The pipeline that samples from the model, or why there is none.
pub(super) fn pipeline(header: &ModelHeader, config: &AdmConfig) -> Result<Pipeline, String> {
    let time_scale = match header.preconditioning {
        Preconditioning::Discrete(_) => 1.0,
        _ => AdmConfig::imagenet64().time_scale,
    };
    if config.time_scale != time_scale {
        return Err(format!(
            "its network is told {} times the noise code, and a pipeline {time_scale} times",
            config.time_scale
        ));
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
    let mut use_of_it =
        loading("ConsistencyModelPipeline", "pipe(num_inference_steps=1).images[0].save(\"one-step.png\")");
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
        use_of_it +=
            &format!("\n\nA class is chosen with `class_labels`, a number from 0 to {}.", n_classes - 1);
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
            if (found / level - 1.0).abs() > CLOSE
                || places.last().is_some_and(|&before| before >= index as usize)
            {
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
    format!(
        "```python\nfrom diffusers import {class}\n\npipe = {class}.from_pretrained(\"PATH\")\n{call}\n```"
    )
}
