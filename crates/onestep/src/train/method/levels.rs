//! Levels that several methods draw in the same way.

use super::Place;
use crate::noise::{LevelsError, LogNormal, Proposal, TrainingLevels};
use crate::objective::LevelPairs;
use crate::train::training::Noise;

/// Pairs of neighboring levels on a grid of `n_levels`, in the intervals that `proposal` draws.
pub fn neighbors(
    noise: &Noise,
    n_levels: usize,
    proposal: Proposal,
    place: &Place,
) -> Result<LevelPairs, LevelsError> {
    let grid = TrainingLevels::karras(n_levels, noise.sigma_min, noise.sigma_max, noise.rho)?;
    let intervals = proposal.draw(&grid, place.level_streams());
    Ok(LevelPairs {
        low: intervals.iter().map(|&i| grid.as_slice()[i]).collect(),
        high: intervals.iter().map(|&i| grid.as_slice()[i + 1]).collect(),
    })
}

/// One level a sample, log-normal.
pub fn log_normal(p_mean: f64, p_std: f64, place: &Place) -> Vec<f64> {
    let proposal = LogNormal { p_mean, p_std };
    place.level_streams().map(|mut stream| proposal.draw(&mut stream)).collect()
}
