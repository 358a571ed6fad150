//! Training as it is watched: [`crate::observer`], and what a step tells of its losses.

pub use crate::observer::{Event, Flow, LevelLoss, Observer};

/// Splits a batch into quarters by noise level: the levels are those the loss was computed at.
pub(crate) fn loss_by_level(sigma: &[f64], losses: &[f64]) -> Vec<LevelLoss> {
    let mut order: Vec<usize> = (0..sigma.len()).collect();
    order.sort_by(|&a, &b| sigma[a].total_cmp(&sigma[b]));
    order
        .chunks(sigma.len().div_ceil(4).max(1))
        .map(|quarter| LevelLoss {
            sigma_low: sigma[quarter[0]],
            sigma_high: sigma[quarter[quarter.len() - 1]],
            loss: quarter.iter().map(|&i| losses[i]).sum::<f64>() / quarter.len() as f64,
        })
        .collect()
}
