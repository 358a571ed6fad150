//! Averages: copies of the weights that follow them slowly. Averages are what one samples from.

use onestep_kernels::ema_update;

use crate::checkpoint::AverageConfig;
use crate::model::Weights;

/// One average of a run.
#[derive(Debug, Clone)]
pub struct Average {
    /// How slowly it follows.
    pub config: AverageConfig,
    /// Where it is.
    pub weights: Weights,
}

impl Average {
    /// An average that starts as a copy of `source`.
    pub fn new(config: AverageConfig, source: &Weights) -> Self {
        Self { config, weights: source.clone() }
    }

    /// Moves the average towards `source`, the weights after the batch that followed `images_seen` images.
    ///
    /// Numbers that are not trained are copied, not averaged: rounding would make them drift.
    ///
    /// # Panics
    ///
    /// If `source` belongs to another network.
    pub fn update(&mut self, source: &Weights, images_seen: u64, batch: u64) {
        let rate = self.config.rate_at(images_seen, batch);
        self.weights = blend(&self.weights, source, rate);
    }
}

/// rate · average + (1 − rate) · source for every trained parameter; the others are those of `source`.
///
/// Also the update of a consistency target, whose rate is a [curriculum](crate::noise) rather than a constant.
///
/// # Panics
///
/// If the two belong to different networks.
pub fn blend(average: &Weights, source: &Weights, rate: f64) -> Weights {
    assert_eq!(average.values().len(), source.values().len(), "average and source of the same network");
    let values = average
        .values()
        .iter()
        .zip(source.iter())
        .map(|(average, (spec, source))| {
            let source = source.clone().inner();
            if spec.trainable { ema_update(average.clone().inner(), source, rate) } else { source }
        })
        .collect();
    Weights::from_values(source.specs(), values)
}
