//! What several methods must not say.

use super::Surroundings;
use crate::objective::{Distance, Weighting};
use crate::perceptual::PerceptualKind;
use crate::train::RecipeError;

/// The largest height and width at which a perceptual distance is taken.
const LARGEST_COMPARED: usize = 4096;

/// Refuses the value of `key`.
pub fn bad(key: &'static str, reason: impl Into<String>) -> Result<(), RecipeError> {
    Err(RecipeError::Value { key, reason: reason.into() })
}

/// Refuses what is not a positive number.
pub fn positive(key: &'static str, value: f64) -> Result<(), RecipeError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        bad(key, format!("must be a positive number, not {value}"))
    }
}

/// Refuses what is no log-normal distribution; `keys` are those of mean and deviation.
pub fn log_normal(keys: [&'static str; 2], p_mean: f64, p_std: f64) -> Result<(), RecipeError> {
    positive(keys[1], p_std)?;
    if p_mean.is_finite() { Ok(()) } else { bad(keys[0], format!("must be a number, not {p_mean}")) }
}

/// Refuses a weighting of pairs where there are single levels.
pub fn weighs_single_levels(weighting: Weighting) -> Result<(), RecipeError> {
    match weighting {
        Weighting::InverseGap => bad("objective.weighting", "`inverse-gap` belongs to pairs of levels"),
        _ => Ok(()),
    }
}

/// Refuses a distance that makes no sense, or cannot look at what the network makes.
pub fn distance(distance: &Distance, around: &Surroundings<'_>) -> Result<(), RecipeError> {
    match (distance, distance.perceptual(), around.image()) {
        (_, Some(kind), Some(image)) => perceptual(distance, kind, image),
        (Distance::PseudoHuber { huber_c: Some(huber_c) }, ..)
            if !(*huber_c >= 0.0 && huber_c.is_finite()) =>
        {
            bad("objective.distance.huber_c", format!("must be a positive number or 0, not {huber_c}"))
        }
        // A network that cannot be built is refused elsewhere, with the reason.
        _ => Ok(()),
    }
}

fn perceptual(
    distance: &Distance,
    kind: PerceptualKind,
    [height, width, channels]: [usize; 3],
) -> Result<(), RecipeError> {
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
