//! What is measured: a network by name, recipe or file, with weights and a way to train it.

use std::path::Path;

use burn::tensor::Device;
use onestep::checkpoint::{Format, ModelHeader};
use onestep::model::{Init, ParameterSpec, Preconditioned, Weights};
use onestep::train::{Noise, Objective, Recipe, Start, builtin_recipe};
use onestep::{Model, OpenOptions};

use crate::commands::recipe::read;
use crate::failure::{Failure, Outcome, code};
use crate::model;

/// Networks of the literature by name: the built-in recipe that holds them, and what is different.
pub const NETWORKS: &[(&str, &str, &[&str])] = &[
    ("emoji", "emoji-edm", &[]),
    (
        "cifar10-ddpmpp",
        "cifar10-edm",
        &[
            "network.embedding=\"positional\"",
            "network.channel_mult_noise=1",
            "network.encoder=\"standard\"",
            "network.resample_filter=[1.0, 1.0]",
        ],
    ),
    ("imagenet64-adm", "imagenet64-edm", &[]),
];

/// A model and the recipe of its training step.
pub struct Subject {
    /// As it was asked for.
    pub name: String,
    /// Trains it by the denoising loss.
    pub recipe: Recipe,
    /// The network with weights that make no output zero.
    pub model: Preconditioned,
    /// What a file of it says.
    pub header: ModelHeader,
}

impl Subject {
    /// Finds a network by its name, its recipe or its file.
    pub fn open(name: &str, settings: &[String], batch: usize, device: &Device) -> Outcome<Self> {
        let known = NETWORKS.iter().find(|(known, ..)| *known == name);
        let path = Path::new(name);
        let (recipe, settings) = match known {
            Some((_, recipe, own)) => {
                let own = own.iter().map(|&setting| setting.to_string());
                (Recipe::parse(builtin_recipe(recipe)?, &[])?, own.chain(settings.iter().cloned()).collect())
            }
            None if name.ends_with(".safetensors") || (path.exists() && !name.ends_with(".toml")) => {
                return Self::from_file(path, settings, batch, device);
            }
            None => (read(name, &[])?, settings.to_vec()),
        };
        let recipe = trainable(recipe, &settings, batch)?;
        let network = recipe.network.build()?;
        let weights = lively(network.parameters(), device);
        let header = header(&recipe);
        let model = Preconditioned::new(network, weights, recipe.preconditioning(), recipe.noise.range());
        Ok(Self { name: name.into(), recipe, model, header })
    }

    /// A model's file says nothing about its training; it gets that of the small built-in recipe.
    fn from_file(path: &Path, settings: &[String], batch: usize, device: &Device) -> Outcome<Self> {
        let opened = model::open(path, &OpenOptions::default().device(device))?;
        let header = model::origin(&opened)?.header.clone();
        let mut recipe = Recipe::parse(builtin_recipe("emoji-edm")?, &[])?;
        recipe.network = header.architecture.clone();
        recipe.noise = Noise {
            sigma_min: header.sigma_min,
            sigma_max: header.sigma_max,
            sigma_data: header.sigma_data,
            rho: header.rho,
        };
        let recipe = trainable(recipe, settings, batch)?;
        Ok(Self { name: path.display().to_string(), recipe, model: network_of(&opened)?, header })
    }
}

/// A recipe of the same network that needs no teacher and takes its batch in one piece.
fn trainable(mut recipe: Recipe, settings: &[String], batch: usize) -> Outcome<Recipe> {
    if !matches!(recipe.objective, Objective::Denoising(_)) {
        recipe.objective = Objective::Denoising(Default::default());
    }
    recipe.train.start = Start::Random;
    recipe.train.teacher = None;
    recipe.train.microbatch = None;
    recipe.train.activation_checkpointing = false;
    let mut recipe = Recipe::parse(&recipe.to_toml(), settings)?;
    recipe.train.batch = batch;
    Ok(recipe)
}

fn header(recipe: &Recipe) -> ModelHeader {
    let noise = &recipe.noise;
    ModelHeader {
        format: Format,
        architecture: recipe.network.clone(),
        preconditioning: recipe.preconditioning(),
        kind: recipe.kind(),
        sigma_min: noise.sigma_min,
        sigma_max: noise.sigma_max,
        sigma_data: noise.sigma_data,
        rho: noise.rho,
        class_names: Vec::new(),
        method: recipe.method().into(),
        data: "random weights".into(),
        images_seen: 0,
        step: 0,
        tool: concat!("onestep ", env!("CARGO_PKG_VERSION")).into(),
        sampling_levels: None,
        task_levels: Default::default(),
    }
}

/// The network of a model that came from a file.
fn network_of(model: &Model) -> Outcome<Preconditioned> {
    let network = model.network().cloned();
    network.ok_or_else(|| Failure::new(code::INTERNAL, "a model without a network"))
}

/// Random weights, the same on every run, in which no layer is switched off: those that start at zero for the sake of
/// training would hide an error of whatever comes before them.
fn lively(specs: &std::sync::Arc<[ParameterSpec]>, device: &Device) -> Weights {
    let drawn: std::sync::Arc<[ParameterSpec]> = specs
        .iter()
        .map(|spec| {
            let fan_in = spec.shape[..spec.shape.len() - 1].iter().product();
            let init = match spec.init {
                init if !spec.trainable => init,
                Init::Zeros if spec.shape.len() == 1 => Init::Uniform { bound: 0.1 },
                init if spec.shape.len() == 1 => init,
                _ => Init::kaiming_uniform(fan_in, 1.0),
            };
            ParameterSpec { init, ..spec.clone() }
        })
        .collect();
    Weights::from_values(specs, Weights::initialize(&drawn, 0, device).values().to_vec())
}
