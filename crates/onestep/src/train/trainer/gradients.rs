//! What the samples of a step say about the weights.

use std::ops::Range;

use burn::tensor::Tensor;
use onestep_kernels::{read, square_sums};

use super::Trainer;
use crate::Result;
use crate::distributed::TreeSum;
use crate::model::DeviceFailure;
use crate::train::batches::BadImage;
use crate::train::method::{Losses, Place, Student};

/// Losses of some samples, and the gradient of the mean loss of the batch as far as it is theirs.
#[derive(Default)]
pub(super) struct Gradients {
    /// In the order of the samples, as far as they were read.
    pub losses: Vec<f64>,
    /// Those that still lie on the device.
    unread: Vec<Tensor<1>>,
    /// The noise level of each loss.
    pub sigma: Vec<f64>,
    pub student: Vec<Tensor<1>>,
    pub companion: Vec<Tensor<1>>,
}

impl Gradients {
    /// Those of the samples of two shards.
    fn and(mut self, other: Self) -> Self {
        self.losses.extend(other.losses);
        self.unread.extend(other.unread);
        self.sigma.extend(other.sigma);
        add(&mut self.student, other.student);
        add(&mut self.companion, other.companion);
        self
    }

    /// Reads the losses.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub(super) fn read_losses(&mut self) -> Result<(), DeviceFailure> {
        if !self.unread.is_empty() {
            let losses = Tensor::cat(std::mem::take(&mut self.unread), 0);
            self.losses.extend(read(losses)?.iter::<f64>());
        }
        Ok(())
    }

    /// Reads what was not read yet together with the norm over all values of the student's gradients: the one time in a step that the
    /// device is waited for.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub(super) fn read_with_norm(&mut self) -> Result<f64, DeviceFailure> {
        let mut parts = std::mem::take(&mut self.unread);
        let n_losses: usize = parts.iter().map(|losses| losses.dims()[0]).sum();
        parts.push(square_sums(&self.student));
        let data = read(Tensor::cat(parts, 0))?;
        let mut numbers = data.iter::<f64>();
        self.losses.extend(numbers.by_ref().take(n_losses));
        Ok(numbers.sum::<f64>().sqrt())
    }
}

impl Trainer {
    /// Losses and gradients of the shards that are this rank's, added in the tree of the shards, and the images that turned out to be
    /// bad.
    pub(super) fn own_gradients(
        &mut self,
        place: &Place,
        shards: Range<usize>,
    ) -> Result<(Gradients, Vec<BadImage>)> {
        let each = self.recipe.train.shard_size() as u64;
        let mut sum = TreeSum::new(Gradients::and);
        let mut bad = Vec::new();
        for shard in shards {
            let start = place.samples.start + shard as u64 * each;
            sum.add(
                self.shard_gradients(&Place { samples: start..start + each, ..place.clone() }, &mut bad)?,
            );
        }
        Ok((sum.total().unwrap_or_default(), bad))
    }

    /// Makes the first batch of the next step, while the device is still at this one.
    pub(super) fn prepare_next(&mut self, place: &Place, shards: Range<usize>) {
        let train = &self.recipe.train;
        let start = place.samples.end + shards.start as u64 * train.shard_size() as u64;
        let n = train.images_at_a_time().min(train.shard_size()) as u64;
        let next = Place { seed: place.seed, step: place.step + 1, samples: start..start + n };
        self.batches.prepare(&next);
    }

    /// Those of one shard, over microbatches one after the other.
    fn shard_gradients(&mut self, place: &Place, bad: &mut Vec<BadImage>) -> Result<Gradients> {
        let n = self.recipe.train.batch;
        let micro = self.recipe.train.images_at_a_time();
        let mut all = Gradients::default();
        for samples in place.samples.clone().step_by(micro) {
            let samples = samples..(samples + micro as u64).min(place.samples.end);
            let n_samples = (samples.end - samples.start) as usize;
            let place = Place { samples, ..place.clone() };
            let (batch, new) = self.batches.batch(&place, &self.device)?;
            bad.extend(new);
            let tracked = self.student.weights().tracked_with(self.recipe.train.activation_checkpointing);
            let student = self.student.with_weights(tracked.clone());
            let student = Student { tracked: &student, detached: &self.student };
            let Losses { values, sigma, companion } = self.method.loss(&student, &batch, &place)?;
            all.sigma.extend(sigma);
            all.unread.push(values.clone().inner());
            // Methods may look at several points of each image.
            let n_points = values.dims()[0] / n_samples * n;
            let mut graph = (values.sum() / n_points as f64).backward();
            add(&mut all.student, tracked.gradients(&mut graph));
            if let Some(companion) = companion {
                add(&mut all.companion, companion.gradients(&mut graph));
            }
        }
        Ok(all)
    }
}

/// Adds gradients up; no sum yet is zero.
fn add(sum: &mut Vec<Tensor<1>>, gradients: Vec<Tensor<1>>) {
    *sum = match std::mem::take(sum) {
        none if none.is_empty() => gradients,
        sum => sum.into_iter().zip(gradients).map(|(a, b)| a + b).collect(),
    };
}
