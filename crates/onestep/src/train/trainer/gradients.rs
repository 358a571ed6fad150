//! What the samples of a step say about the weights.

use std::ops::Range;

use burn::tensor::Tensor;

use super::Trainer;
use crate::Result;
use crate::distributed::TreeSum;
use crate::train::batches::BadImage;
use crate::train::method::{Losses, Place, Student};

/// Losses of some samples, and the gradient of the mean loss of the batch as far as it is theirs.
#[derive(Default)]
pub(super) struct Gradients {
    /// In the order of the samples.
    pub losses: Vec<f64>,
    /// The noise level of each loss.
    pub sigma: Vec<f64>,
    pub student: Vec<Tensor<1>>,
    pub companion: Vec<Tensor<1>>,
}

impl Gradients {
    /// Those of the samples of two shards.
    fn and(mut self, other: Self) -> Self {
        self.losses.extend(other.losses);
        self.sigma.extend(other.sigma);
        add(&mut self.student, other.student);
        add(&mut self.companion, other.companion);
        self
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

    /// Those of one shard, over microbatches one after the other.
    fn shard_gradients(&mut self, place: &Place, bad: &mut Vec<BadImage>) -> Result<Gradients> {
        let n = self.recipe.train.batch;
        let micro = self.recipe.train.images_at_a_time();
        let mut all = Gradients::default();
        // Read when all is on its way to the device, which is not waited for in between.
        let mut losses = Vec::new();
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
            losses.push(values.clone().inner());
            // Methods may look at several points of each image.
            let n_points = values.dims()[0] / n_samples * n;
            let mut graph = (values.sum() / n_points as f64).backward();
            add(&mut all.student, tracked.gradients(&mut graph));
            if let Some(companion) = companion {
                add(&mut all.companion, companion.gradients(&mut graph));
            }
        }
        all.losses = Tensor::cat(losses, 0).into_data().iter::<f64>().collect();
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

/// Norm over all values of all gradients, read from the device once.
pub(super) fn norm(gradients: &[Tensor<1>]) -> f64 {
    let squares: Vec<_> = gradients.iter().map(|g| (g.clone() * g.clone()).sum()).collect();
    Tensor::cat(squares, 0).into_data().iter::<f64>().sum::<f64>().sqrt()
}
