//! Search: which levels a sampler of few steps should visit.

use std::collections::BTreeMap;

use crate::noise::{LevelsError, SamplingLevels};

/// Levels that were found, and everything that was tried on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Indices into the grid, ascending.
    pub indices: Vec<usize>,
    /// The levels themselves.
    pub levels: SamplingLevels,
    /// What the objective says of them.
    pub value: f64,
    /// Every list that was tried, with its value, in the order of the indices.
    pub tried: Vec<(Vec<usize>, f64)>,
}

/// Chooses levels from a grid, one after the other, so that `objective` becomes small.
///
/// The first `given` indices of the sampler are taken as they are (usually the first of the grid, σ_max); every further level
/// is sought between the one before it and the end of the grid by ternary search, with all others fixed. A ternary search
/// supposes that the objective falls and then rises; where it is noisy, the last few candidates are all tried, and the best of
/// everything tried for that step is taken. Nothing is evaluated twice.
///
/// # Randomness
///
/// None of its own. An objective that draws with fixed seeds makes candidates comparable.
///
/// # Errors
///
/// What `objective` returns, at once, in whatever type it has; it may be used to stop. A value that is not a number counts
/// as the worst. [`LevelsError`] where no levels are asked for or the grid has too few.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), section 3 and appendix C: "a greedy algorithm with ternary search"; the notebook of
/// openai/consistency_models_cifar10, whose end game evaluates what it has evaluated before.
pub fn search_levels<E: From<LevelsError>>(
    grid: &SamplingLevels,
    given: &[usize],
    n_steps: usize,
    objective: &mut dyn FnMut(&SamplingLevels) -> Result<f64, E>,
) -> Result<Found, E> {
    let grid = grid.as_slice();
    let levels = |indices: &[usize]| -> Result<SamplingLevels, LevelsError> {
        let n_levels = grid.len();
        let at =
            |&index: &usize| grid.get(index).copied().ok_or(LevelsError::IndexOutside { index, n_levels });
        SamplingLevels::new(indices.iter().map(at).collect::<Result<_, _>>()?)
    };
    let mut tried: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
    let mut value_of = |indices: &[usize]| -> Result<f64, E> {
        if let Some(&value) = tried.get(indices) {
            return Ok(value);
        }
        let value = objective(&levels(indices)?)?;
        let value = if value.is_nan() { f64::INFINITY } else { value };
        tried.insert(indices.to_vec(), value);
        Ok(value)
    };
    let mut chosen = given.to_vec();
    let mut value = if chosen.is_empty() { f64::INFINITY } else { value_of(&chosen)? };
    while chosen.len() < n_steps {
        let with = |index: usize| chosen.iter().copied().chain([index]).collect::<Vec<_>>();
        let (mut left, mut right) = (chosen.last().map_or(0, |last| last + 1), grid.len().saturating_sub(1));
        // Asked for more steps than there are levels: the error names the first that is not there.
        levels(&with(left))?;
        let mut candidates = Vec::new();
        while right - left >= 3 {
            let third = (right - left) / 3;
            let (low, high) = (left + third, right - third);
            candidates.extend([low, high]);
            if value_of(&with(low))? < value_of(&with(high))? {
                right = high;
            } else {
                left = low;
            }
        }
        candidates.extend(left..=right);
        let mut best = (f64::INFINITY, left);
        for index in candidates {
            let value = value_of(&with(index))?;
            if value < best.0 {
                best = (value, index);
            }
        }
        value = best.0;
        chosen.push(best.1);
    }
    let levels = levels(&chosen)?;
    Ok(Found { indices: chosen, levels, value, tried: tried.into_iter().collect() })
}
