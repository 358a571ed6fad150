//! What is measured: a network by name, recipe or file, with weights and a way to train it.

use burn::tensor::Device;
use onestep::checkpoint::ModelHeader;
use onestep::model::{Init, ParameterSpec, Preconditioned, Weights};
use onestep::train::{Draft, Noise, Objective, Recipe, Start, builtin_recipe};
use onestep::{Model, Origin};

use crate::{BenchError, Result};

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
    /// A network of the literature; none if the name is none of [`NETWORKS`].
    ///
    /// # Errors
    ///
    /// [`RecipeError`](onestep::train::RecipeError) for settings that the recipe does not have.
    pub fn named(name: &str, settings: &[String], batch: usize, device: &Device) -> Result<Option<Self>> {
        let Some((_, recipe, own)) = NETWORKS.iter().find(|(known, ..)| *known == name) else {
            return Ok(None);
        };
        let own = own.iter().map(|&setting| setting.to_string());
        let settings: Vec<String> = own.chain(settings.iter().cloned()).collect();
        let recipe = Recipe::parse(builtin_recipe(recipe)?, &[])?;
        Self::of_recipe(name, recipe, &settings, batch, device).map(Some)
    }

    /// The network of a recipe.
    ///
    /// # Errors
    ///
    /// As [`Subject::named`], and whatever building the network meets.
    pub fn of_recipe(
        name: &str,
        recipe: Recipe,
        settings: &[String],
        batch: usize,
        device: &Device,
    ) -> Result<Self> {
        let recipe = trainable(recipe, settings, batch)?;
        let network = recipe.network.build()?;
        let weights = lively(network.parameters(), device);
        let header = ModelHeader { data: "random weights".into(), ..recipe.header() };
        let model = Preconditioned::new(network, weights, recipe.preconditioning(), recipe.noise.range());
        Ok(Self { name: name.into(), recipe, model, header })
    }

    /// A model of a file, which says nothing about its training; it gets that of the small built-in recipe.
    ///
    /// # Errors
    ///
    /// As [`Subject::named`]; [`BenchError::NoNetwork`] for a denoiser of one's own.
    pub fn of_model(name: &str, opened: &Model, settings: &[String], batch: usize) -> Result<Self> {
        let (Some(Origin { header, .. }), Some(model)) = (opened.origin(), opened.network()) else {
            return Err(BenchError::NoNetwork { name: name.into() });
        };
        let mut recipe = Recipe::parse(builtin_recipe("emoji-edm")?, &[])?;
        recipe.network = header.architecture.clone();
        recipe.noise = Noise {
            sigma_min: header.sigma_min,
            sigma_max: header.sigma_max,
            sigma_data: header.sigma_data,
            rho: header.rho,
        };
        let recipe = trainable(recipe, settings, batch)?;
        Ok(Self { name: name.into(), recipe, model: model.clone(), header: header.clone() })
    }
}

/// A recipe of the same network that needs no teacher and takes its batch in one piece.
fn trainable(mut recipe: Recipe, settings: &[String], batch: usize) -> Result<Recipe> {
    if !matches!(recipe.objective, Objective::Denoising(_)) {
        recipe.objective = Objective::Denoising(Default::default());
    }
    recipe.train.start = Start::Random;
    recipe.train.teacher = None;
    recipe.train.microbatch = None;
    recipe.train.activation_checkpointing = false;
    // The network is what is measured, whatever the data are.
    let mut recipe = Draft::read(&recipe.to_toml(), settings)?.as_it_stands()?;
    recipe.train.batch = batch;
    Ok(recipe)
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
