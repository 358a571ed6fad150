//! What a recipe must not say: values that make no sense, alone or beside another.

use super::{Recipe, RecipeError};
use crate::model::{Architecture, Network};
use crate::noise::{LevelsError, karras_levels};
use crate::objective::Distance;
use crate::train::Augmentation;
use crate::train::method::{Surroundings, bad, check_guidance, positive};
use crate::train::training::{Noise, Start};

/// Refuses values that make no sense, for this network, where it is known.
pub(super) fn check(recipe: &Recipe, network: Option<&dyn Network>) -> Result<(), RecipeError> {
    let Noise { sigma_min, sigma_max, sigma_data, rho } = recipe.noise;
    positive("noise.sigma_data", sigma_data)?;
    karras_levels(2, sigma_min, sigma_max, rho)
        .map_err(|error: LevelsError| RecipeError::Value { key: "noise", reason: error.to_string() })?;
    check_train(recipe)?;
    check_teacher(recipe)?;
    let reads_files = matches!(recipe.distance(), Some(Distance::Lpips { .. }));
    if !reads_files && !recipe.train.distance_files.is_empty() {
        return bad("train.distance_files", "belongs to the distance `lpips`; no other reads any");
    }
    check_drop_class(recipe, network)?;
    let (settings, around) = (recipe.settings(), Surroundings { train: &recipe.train, network });
    settings.check(&around)?;
    check_guidance(settings.guidance(), settings.distills(), &around)?;
    recipe
        .sampling_levels(recipe.train.steps)
        .map_err(|error| RecipeError::Value { key: "sampling.levels", reason: error.to_string() })?;
    Ok(())
}

fn check_teacher(recipe: &Recipe) -> Result<(), RecipeError> {
    let train = &recipe.train;
    if train.teacher.is_some() && !recipe.needs_teacher() {
        return bad(
            "train.teacher",
            "names a teacher, and this recipe asks none: it starts at random and distills nothing",
        );
    }
    if !train.renew.is_empty() && train.start != Start::Teacher {
        return bad(
            "train.renew",
            "belongs to train.start = \"teacher\"; everything starts at random without it",
        );
    }
    Ok(())
}

fn check_drop_class(recipe: &Recipe, network: Option<&dyn Network>) -> Result<(), RecipeError> {
    let Some(share) = recipe.train.drop_class else { return Ok(()) };
    let key = "train.drop_class";
    if !(0.0 < share && share < 1.0) {
        return bad(
            key,
            format!("must be above 0 and below 1, not {share}; left out, no sample loses its class"),
        );
    }
    match network {
        Some(network) if network.n_classes().is_none() => bad(
            key,
            "takes classes away, and the network knows none; data.labels says where classes come from",
        ),
        _ => Ok(()),
    }
}

fn check_train(recipe: &Recipe) -> Result<(), RecipeError> {
    let train = &recipe.train;
    if train.steps == 0 {
        return bad("train.steps", "must be at least 1");
    }
    if train.schedule_steps == Some(0) {
        return bad("train.schedule_steps", "must be at least 1, or left out for the length of the run");
    }
    if train.batch == 0 {
        return bad("train.batch", "must be at least 1");
    }
    if let Some(microbatch) = train.microbatch
        && (microbatch == 0 || microbatch > train.batch)
    {
        return bad("train.microbatch", format!("must be between 1 and the batch of {}", train.batch));
    }
    if let Some(shards) = train.shards
        && !(shards.is_power_of_two() && train.batch.is_multiple_of(shards))
    {
        return bad(
            "train.shards",
            format!("must be a power of two that the batch of {} can be cut into, not {shards}", train.batch),
        );
    }
    if train.checkpoint_every == 0 {
        return bad("train.checkpoint_every", "must be at least 1");
    }
    if train.keep == 0 {
        return bad("train.keep", "must be at least 1, or no checkpoint would remain");
    }
    if let Some(clip) = train.clip_gradient {
        positive("train.clip_gradient", clip)?;
    }
    if let Some(Augmentation { probability }) = train.augment {
        if !(0.0..=1.0).contains(&probability) {
            return bad("train.augment.probability", format!("must be between 0 and 1, not {probability}"));
        }
        let told = match &recipe.network {
            Architecture::Song(config) => config.augment_dim,
            Architecture::Dhariwal(config) => config.augment_dim,
            _ => 0,
        };
        if told != Augmentation::N_LABELS {
            return bad(
                "train.augment",
                format!(
                    "needs a network that is told of it, or changed images leak into what it makes: \
                     a `song` or `dhariwal` network with augment_dim = {}",
                    Augmentation::N_LABELS
                ),
            );
        }
    }
    positive("train.learning_rate.peak", train.learning_rate.peak)?;
    train
        .optimizer
        .check()
        .map_err(|error| RecipeError::Value { key: "train.optimizer", reason: error.to_string() })
}
