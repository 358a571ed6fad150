//! What a recipe must not say: values that make no sense, alone or beside another.

use super::{Noise, Objective, Recipe, RecipeError, Start};
use crate::model::{Architecture, Preconditioning};
use crate::noise::{Curriculum, Gap, HalvingStage, LevelsError, Proposal, TargetRate, karras_levels};
use crate::objective::{Distance, TangentNormalization, Weighting};
use crate::perceptual::PerceptualKind;
use crate::train::Augmentation;

/// The smallest gap of a pair, relative to its level, at which two estimates in f32 still differ by more than rounding.
const SMALLEST_GAP: f64 = 1e-6;

/// The largest height and width at which a perceptual distance is taken.
const LARGEST_COMPARED: usize = 4096;

/// Refuses values that make no sense.
pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    let Noise { sigma_min, sigma_max, sigma_data, rho } = recipe.noise;
    positive("noise.sigma_data", sigma_data)?;
    karras_levels(2, sigma_min, sigma_max, rho)
        .map_err(|error: LevelsError| RecipeError::Value { key: "noise", reason: error.to_string() })?;
    check_train(recipe)?;
    let reads_files = matches!(recipe.distance(), Some(Distance::Lpips { .. }));
    if !reads_files && !recipe.train.distance_files.is_empty() {
        return bad("train.distance_files", "belongs to the distance `lpips`; no other reads any".into());
    }
    match &recipe.objective {
        Objective::Denoising { p_mean, p_std, weighting, preconditioning } => {
            log_normal(*p_mean, *p_std)?;
            if !matches!(preconditioning, Preconditioning::Edm | Preconditioning::Trig) {
                return bad(
                    "objective.preconditioning",
                    "of a diffusion model is \"edm\" or \"trig\"".into(),
                );
            }
            if *weighting == Weighting::InverseGap {
                return bad("objective.weighting", "`inverse-gap` belongs to pairs of levels".into());
            }
        }
        Objective::Continuous { preconditioning, proposal, normalization, .. } => {
            if !matches!(preconditioning, Preconditioning::Trig | Preconditioning::TrigEdm) {
                return bad(
                    "objective.preconditioning",
                    "of a continuous-time model is \"trig\", or \"trig-edm\" to start from an EDM model"
                        .into(),
                );
            }
            if let Proposal::LogNormal { p_mean, p_std } = *proposal {
                positive("objective.proposal.p_std", p_std)?;
                if !p_mean.is_finite() {
                    return bad("objective.proposal.p_mean", format!("must be a number, not {p_mean}"));
                }
            }
            if let TangentNormalization::Norm { c } = *normalization {
                positive("objective.normalization.c", c)?;
            }
        }
        Objective::Consistency { curriculum, target, distance, .. } => {
            check_curriculum(*curriculum)?;
            let rate = match *target {
                TargetRate::Fixed { rate } => rate,
                TargetRate::Adaptive { initial_rate, .. } => initial_rate,
            };
            if !(0.0..1.0).contains(&rate) {
                return bad("objective.target", format!("needs a rate from 0 to below 1, not {rate}"));
            }
            check_distance(*distance, recipe)?;
        }
        Objective::Tuning { p_mean, p_std, gap, images_per_stage, distance, .. } => {
            log_normal(*p_mean, *p_std)?;
            check_distance(*distance, recipe)?;
            check_gap(*gap, *images_per_stage, recipe.train.steps * recipe.train.batch as u64)?;
        }
        Objective::ProgressiveDistillation { start_intervals, steps_per_stage, distance, weighting } => {
            check_distance(*distance, recipe)?;
            if *weighting == Weighting::InverseGap {
                return bad("objective.weighting", "`inverse-gap` belongs to pairs of levels".into());
            }
            check_stages(recipe, *start_intervals, *steps_per_stage)?;
        }
    }
    recipe
        .sampling_levels(recipe.train.steps)
        .map_err(|error| RecipeError::Value { key: "sampling.levels", reason: error.to_string() })?;
    Ok(())
}

fn bad(key: &'static str, reason: String) -> Result<(), RecipeError> {
    Err(RecipeError::Value { key, reason })
}

fn positive(key: &'static str, value: f64) -> Result<(), RecipeError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        bad(key, format!("must be a positive number, not {value}"))
    }
}

fn log_normal(p_mean: f64, p_std: f64) -> Result<(), RecipeError> {
    positive("objective.p_std", p_std)?;
    if p_mean.is_finite() {
        Ok(())
    } else {
        bad("objective.p_mean", format!("must be a number, not {p_mean}"))
    }
}

fn check_train(recipe: &Recipe) -> Result<(), RecipeError> {
    let train = &recipe.train;
    if train.steps == 0 {
        return bad("train.steps", "must be at least 1".into());
    }
    if train.batch == 0 {
        return bad("train.batch", "must be at least 1".into());
    }
    if let Some(microbatch) = train.microbatch
        && (microbatch == 0 || microbatch > train.batch)
    {
        return bad("train.microbatch", format!("must be between 1 and the batch of {}", train.batch));
    }
    if train.checkpoint_every == 0 {
        return bad("train.checkpoint_every", "must be at least 1".into());
    }
    if train.keep == 0 {
        return bad("train.keep", "must be at least 1, or no checkpoint would remain".into());
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

fn check_distance(distance: Distance, recipe: &Recipe) -> Result<(), RecipeError> {
    if let Some(kind) = distance.perceptual() {
        return check_perceptual(distance, kind, recipe);
    }
    match distance {
        Distance::PseudoHuber { huber_c: Some(huber_c) } if !(huber_c >= 0.0 && huber_c.is_finite()) => {
            bad("objective.distance.huber_c", format!("must be a positive number or 0, not {huber_c}"))
        }
        _ => Ok(()),
    }
}

/// Whether a perceptual network can look at the images that the recipe's network makes.
fn check_perceptual(distance: Distance, kind: PerceptualKind, recipe: &Recipe) -> Result<(), RecipeError> {
    // A network that cannot be built is refused elsewhere, with the reason.
    let Ok(network) = recipe.network.build() else { return Ok(()) };
    let [height, width, channels] = network.image();
    if !matches!(channels, 1 | 3) {
        return bad(
            "objective.distance",
            format!(
                "looks at images in gray or color; points of {channels} coordinates need l1, l2 or pseudo-huber"
            ),
        );
    }
    let [height, width] = distance.compared_at([height, width]);
    if height.max(width) > LARGEST_COMPARED {
        return bad("objective.distance.size", format!("must be at most {LARGEST_COMPARED}, not {height}"));
    }
    if kind.activations([height, width]).is_none() {
        return bad(
            "objective.distance.size",
            format!("must be at least {}, so that something is left for its last layers", kind.smallest()),
        );
    }
    Ok(())
}

fn check_curriculum(curriculum: Curriculum) -> Result<(), RecipeError> {
    match curriculum {
        Curriculum::Fixed { n_levels } if n_levels < 2 => {
            bad("objective.curriculum.n_levels", "must be at least 2: one level bounds no interval".into())
        }
        Curriculum::Progressive { start_intervals, end_intervals }
        | Curriculum::Doubling { start_intervals, end_intervals }
            if start_intervals == 0 || end_intervals < start_intervals =>
        {
            bad(
                "objective.curriculum",
                format!("must grow from at least 1 interval, not from {start_intervals} to {end_intervals}"),
            )
        }
        Curriculum::Halving { .. } => {
            bad("objective.curriculum", "`halving` belongs to progressive distillation".into())
        }
        _ => Ok(()),
    }
}

fn check_gap(gap: Gap, images_per_stage: u64, n_images: u64) -> Result<(), RecipeError> {
    let shrink = match gap {
        Gap::Constant { shrink } => shrink,
        Gap::Sigmoid { shrink, k, b } => {
            if !(k >= 0.0 && k.is_finite() && b.is_finite()) {
                return bad(
                    "objective.gap",
                    format!("needs k of at least 0 and a finite b, not {k} and {b}"),
                );
            }
            shrink
        }
    };
    if !(shrink > 1.0 && shrink.is_finite()) {
        return bad("objective.gap.shrink", format!("must be a number above 1, not {shrink}"));
    }
    if images_per_stage == 0 {
        return bad("objective.images_per_stage", "must be at least 1".into());
    }
    let n_stages = n_images.div_ceil(images_per_stage);
    if n_stages as f64 * shrink.ln() > -SMALLEST_GAP.ln() {
        return bad(
            "objective.images_per_stage",
            format!(
                "makes {n_stages} stages of this run, and the gap, {shrink} times smaller each, less than rounding: \
                 give a stage more images"
            ),
        );
    }
    Ok(())
}

fn check_stages(recipe: &Recipe, start_intervals: usize, steps_per_stage: u64) -> Result<(), RecipeError> {
    if recipe.train.start != Start::Teacher {
        return bad(
            "train.start",
            "must be \"teacher\": progressive distillation begins with a copy of it".into(),
        );
    }
    if start_intervals < 2 || !start_intervals.is_power_of_two() {
        return bad(
            "objective.start_intervals",
            format!("must be a power of 2 from 2 on, to be halved down to 1, not {start_intervals}"),
        );
    }
    if steps_per_stage == 0 {
        return bad("objective.steps_per_stage", "must be at least 1".into());
    }
    let total = HalvingStage::total(start_intervals, steps_per_stage);
    if recipe.train.steps > total {
        return bad(
            "train.steps",
            format!("goes beyond the last stage, which ends after {total} steps: the rate is zero there"),
        );
    }
    Ok(())
}
