//! Events in, continue or stop out: how a run is watched without the library ever printing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Something that happened in a training run; one line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins, or goes on from a checkpoint.
    Start {
        /// Updates done before.
        step: u64,
        /// Updates in all.
        steps: u64,
        /// Images in one update.
        batch: usize,
        /// Trained values of the network.
        parameters: usize,
    },
    /// One update was made.
    Step {
        /// Updates done, this one included.
        step: u64,
        /// Images seen, this batch included.
        images_seen: u64,
        /// Mean loss of the batch.
        loss: f64,
        /// Norm of the gradient, before any clipping.
        gradient_norm: f64,
        /// Learning rate of the update.
        learning_rate: f64,
        /// Number of noise levels N(k), for consistency objectives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n_levels: Option<usize>,
        /// Rate of the target μ(k), for consistency objectives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_rate: Option<f64>,
        /// Stage, counted from 0, for objectives that have stages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<u64>,
        /// Mean loss of the batch's quarters by noise level, from the cleanest to the noisiest.
        loss_by_level: Vec<LevelLoss>,
    },
    /// An update was not made, because its loss or gradient was not finite.
    Skipped {
        /// Updates done, this one counted.
        step: u64,
        /// Loss of the batch; absent where it is not a number.
        loss: Option<f64>,
        /// Lowest noise level of the batch.
        sigma_low: f64,
        /// Highest noise level of the batch.
        sigma_high: f64,
        /// Skipped updates of the run so far.
        skipped: u64,
    },
    /// Pictures of fixed seeds were written.
    Preview {
        /// Updates done.
        step: u64,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Updates done.
        step: u64,
        /// Its folder.
        folder: PathBuf,
    },
    /// The run is over, or was asked to stop.
    End {
        /// Updates done.
        step: u64,
        /// Whether the run reached its last step.
        finished: bool,
    },
}

/// Mean loss over the samples of a batch whose noise levels lie in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelLoss {
    /// Lowest level among them.
    pub sigma_low: f64,
    /// Highest level among them.
    pub sigma_high: f64,
    /// Their mean loss.
    pub loss: f64,
}

/// What an observer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Finish this step, save, and end the run; it can be resumed.
    Stop,
}

/// Watches a run: a progress bar, a log file, a studio, a test.
pub trait Observer {
    /// Called on every event, in order. Asking to stop is honored after the current step.
    fn observe(&mut self, event: &Event) -> Flow;
}

impl<F: FnMut(&Event) -> Flow> Observer for F {
    fn observe(&mut self, event: &Event) -> Flow {
        self(event)
    }
}

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
