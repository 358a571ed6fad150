//! A step that several ranks take together: what each tells the others, and what all do then.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Trainer;
use super::gradients::Gradients;
use crate::data::Dataset;
use crate::distributed::DistributedError;
use crate::model::Weights;
use crate::train::TrainError;
use crate::train::batches::BadImage;
use crate::train::method::Place;
use crate::train::observer::Event;
use crate::{Error, Result};

/// What a rank tells of its samples beside their gradient.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    /// The bits of its losses: numbers that are not finite have no JSON.
    losses: Vec<u64>,
    /// The bits of their noise levels.
    sigma: Vec<u64>,
    /// Images that could not be read and were passed over, and why.
    bad: Vec<(usize, String)>,
    /// An image that could not be read, for which the run ends.
    ends: Option<usize>,
}

impl Trainer {
    /// Losses and gradients of the whole batch: the same on every rank, to the bit.
    pub(super) fn summed(&mut self, place: &Place) -> Result<Gradients> {
        let shards = self.world.own_shards(self.recipe.train.n_shards())?;
        let own = self.own_gradients(place, shards);
        if self.world.is_alone() {
            let (gradients, bad) = own?;
            let bad = bad.into_iter().map(|BadImage { index, reason }| (index, reason.to_string()));
            self.pass_over(bad.collect());
            return Ok(gradients);
        }
        let (mut own, told) = match own {
            Ok((mut gradients, bad)) => {
                gradients.read_losses()?;
                let told = Told {
                    losses: bits(&gradients.losses),
                    sigma: bits(&gradients.sigma),
                    bad: bad.into_iter().map(|bad| (bad.index, bad.reason.to_string())).collect(),
                    ends: None,
                };
                (gradients, told)
            }
            // For an image the run ends on all ranks at once, and is saved before. Whatever else goes wrong ends this process, and
            // with it the others.
            Err(Error::Train(TrainError::BadImage { index, .. })) => {
                (Gradients::default(), Told { ends: Some(index), ..Told::default() })
            }
            Err(error) => return Err(error),
        };
        let all = self.tell(&told)?;
        if let Some(index) = all.iter().find_map(|told| told.ends) {
            return Err(unreadable(self.data(), 1, index));
        }
        own.losses = all.iter().flat_map(|told| numbers(&told.losses)).collect();
        own.sigma = all.iter().flat_map(|told| numbers(&told.sigma)).collect();
        self.pass_over(all.into_iter().flat_map(|told| told.bad).collect());
        let n_student = own.student.len();
        let mut tensors = own.student;
        tensors.extend(own.companion);
        let sizes: Vec<usize> = tensors.iter().map(|tensor| tensor.dims()[0]).collect();
        let flat = self.world.sum(flattened(tensors))?;
        own.student = parts(&flat, &sizes, &self.device);
        own.companion = own.student.split_off(n_student);
        Ok(own)
    }

    /// Tells all ranks, and hears what each of them tells.
    fn tell(&mut self, told: &Told) -> Result<Vec<Told>, DistributedError> {
        let rank = self.world.rank();
        let lost = |error: serde_json::Error| DistributedError::Lost { rank, reason: error.to_string() };
        let own = serde_json::to_vec(told).map_err(lost)?;
        let all = self.world.all_gather(own)?;
        all.iter().map(|bytes| serde_json::from_slice(bytes).map_err(lost)).collect()
    }

    /// Counts images that cannot be read, each once, whoever met them.
    fn pass_over(&mut self, bad: Vec<(usize, String)>) {
        for (index, reason) in bad {
            if self.state.bad_images.contains(&index) {
                continue;
            }
            self.state.bad_images.push(index);
            self.batches.pass_over(&[index]);
            let (source, count) = (self.data().source(index), self.state.bad_images.len());
            self.news.push(Event::BadImage { source, reason, count });
        }
    }

    /// Refuses ranks that do not begin alike: other recipes, data, teachers or places in the run.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Differs`] with what differs.
    pub(in crate::train) fn compare_start(&mut self) -> Result<(), DistributedError> {
        if self.world.is_alone() {
            return Ok(());
        }
        let recipe = self.recipe.to_toml();
        let data = self.data();
        let data = format!("{} {:?} {:?}", data.len(), data.shape(), data.class_names());
        let teacher = self.state.teacher.clone().unwrap_or_default();
        let place = format!("{} {}", self.state.step, self.state.images_seen);
        let world = &mut self.world;
        world.compare(
            recipe.as_bytes(),
            "the recipe",
            "start all ranks with the same recipe and settings",
        )?;
        world.compare(data.as_bytes(), "the data", "all ranks must see the same files")?;
        world.compare(teacher.as_bytes(), "the teacher", "all ranks must see the same file")?;
        world.compare(place.as_bytes(), "the checkpoint", "all ranks must see the same run folder")?;
        self.compare_weights()
    }

    /// Refuses to go on where weights or averages are not the same on all ranks: memory has failed, or processors compute unlike.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Differs`].
    pub(in crate::train) fn compare_weights(&mut self) -> Result<(), DistributedError> {
        if self.world.is_alone() {
            return Ok(());
        }
        let mut hasher = Sha256::new();
        let averages = self.averages.iter().map(|average| &average.weights);
        for weights in std::iter::once(self.student.weights()).chain(averages) {
            digest(&mut hasher, weights);
        }
        let reason = "memory has failed, or processors of several kinds compute unlike (ONESTEP_INSTRUCTIONS makes them alike); go on \
                      from the last checkpoint with --resume";
        self.world.compare(&hasher.finalize(), "the weights", reason)
    }
}

/// The error of an image, the first of `n`, that some rank could not read.
pub(in crate::train) fn unreadable(data: &dyn Dataset, n: usize, index: usize) -> Error {
    match data.sample(index) {
        Err(reason) => TrainError::BadImage { n, index, reason }.into(),
        Ok(_) => TrainError::ReadableHere { source_name: data.source(index) }.into(),
    }
}

fn digest(hasher: &mut Sha256, weights: &Weights) {
    for value in weights.values() {
        let bytes: Vec<u8> =
            value.clone().inner().into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
        hasher.update(bytes);
    }
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn numbers(bits: &[u64]) -> impl Iterator<Item = f64> + '_ {
    bits.iter().map(|&bits| f64::from_bits(bits))
}

/// The numbers of all tensors, one after the other.
fn flattened(tensors: Vec<Tensor<1>>) -> Vec<f32> {
    let mut flat = Vec::with_capacity(tensors.iter().map(|tensor| tensor.dims()[0]).sum());
    for tensor in tensors {
        let data = tensor.into_data();
        match data.as_slice::<f32>() {
            Ok(values) => flat.extend_from_slice(values),
            Err(_) => flat.extend(data.iter::<f32>()),
        }
    }
    flat
}

/// The numbers as tensors of these sizes.
fn parts(flat: &[f32], sizes: &[usize], device: &Device) -> Vec<Tensor<1>> {
    let mut rest = flat;
    let part = |&size: &usize| {
        let (part, after) = rest.split_at(size);
        rest = after;
        Tensor::from_data(TensorData::new(part.to_vec(), [size]), device)
    };
    sizes.iter().map(part).collect()
}
