//! Batches: which images and noise a step sees, as a pure function of the recipe and the step.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};

use super::method::Place;
use super::recipe::Recipe;
use super::{Augmentation, TrainError};
use crate::data::{DataError, Dataset, OnError, Sample, flip_horizontal};
use crate::model::{Condition, DropoutKey, GuidanceRange, Network};
use crate::noise::{Purpose, Stream, normals};
use crate::objective::Batch;

/// Draws batches from a data set.
///
/// # Randomness
///
/// Sample number j of a run (images seen before it) is a place of its own: its position in the epoch's
/// permutation, its flip, its noise, whether it loses its class and its guidance scale are functions of (seed, j) alone, whatever the batch
/// size, the microbatch, the thread or the rank.
pub struct Batches {
    data: Box<dyn Dataset>,
    seed: u64,
    flip: bool,
    augment: Option<Augmentation>,
    labels: bool,
    drop_class: Option<f64>,
    /// The guidance scales that the student is told.
    guidance: Option<GuidanceRange>,
    on_error: OnError,
    /// Numbers of images that are known to be bad.
    bad: BTreeSet<usize>,
    epoch: Option<(u64, Vec<u32>)>,
    /// Made before somebody asked for it.
    ahead: Option<(Place, Result<Drawn, TrainError>)>,
}

/// A batch on the processor.
struct Drawn {
    clean: Vec<f32>,
    noise: Vec<f32>,
    condition: Condition,
    bad: Vec<BadImage>,
}

/// An image that cannot be read.
pub struct BadImage {
    /// Its number.
    pub index: usize,
    /// Why it cannot be read.
    pub reason: DataError,
}

impl Batches {
    /// Batches of `data` as `recipe` asks, for this network.
    pub fn new(recipe: &Recipe, data: Box<dyn Dataset>, network: &dyn Network) -> Self {
        let (flip, augment) = (recipe.data.flip, recipe.train.augment);
        let (on_error, bad) = (recipe.data.on_error, BTreeSet::new());
        let guidance = recipe.settings().guidance().filter(|_| network.takes_guidance());
        Self {
            data,
            seed: recipe.train.seed,
            flip,
            augment,
            labels: network.n_classes().is_some(),
            drop_class: recipe.train.drop_class,
            guidance,
            on_error,
            bad,
            epoch: None,
            ahead: None,
        }
    }

    /// The data set.
    pub fn data(&self) -> &dyn Dataset {
        self.data.as_ref()
    }

    /// Passes over these images from now on, as over those that turn out to be bad.
    pub fn pass_over(&mut self, bad: &[usize]) {
        self.bad.extend(bad);
        if !bad.is_empty() {
            self.forget_ahead();
        }
    }

    /// Forgets what was made ahead, and the bad images that it met: nobody was told of them.
    fn forget_ahead(&mut self) {
        if let Some((_, Ok(drawn))) = self.ahead.take() {
            for bad in drawn.bad {
                self.bad.remove(&bad.index);
            }
        }
    }

    /// Makes the batch at `place` before it is asked for: while a device computes, the processor has time.
    ///
    /// What goes wrong is told when the batch is asked for.
    pub fn prepare(&mut self, place: &Place) {
        self.forget_ahead();
        let drawn = self.drawn(place);
        self.ahead = Some((place.clone(), drawn));
    }

    /// Images, noise and condition of the samples at `place`, and the images that turned out to be bad.
    ///
    /// # Shapes
    ///
    /// `[n, height, width, channels]`.
    ///
    /// # Errors
    ///
    /// [`TrainError::BadImage`] for an image that cannot be read, unless such are passed over; there too where none is left.
    pub fn batch(&mut self, place: &Place, device: &Device) -> Result<(Batch, Vec<BadImage>), TrainError> {
        let drawn = match self.ahead.take() {
            Some((ahead, drawn)) if ahead == *place => drawn,
            other => {
                self.ahead = other;
                self.forget_ahead();
                self.drawn(place)
            }
        };
        let Drawn { clean, noise, condition, bad } = drawn?;
        let (shape, n) = (self.data.shape(), (place.samples.end - place.samples.start) as usize);
        let extents = [n, shape.height, shape.width, shape.channels];
        let tensor = |values| Tensor::from_data(TensorData::new(values, extents), device);
        Ok((Batch { clean: tensor(clean), noise: tensor(noise), condition }, bad))
    }

    /// The same on the processor.
    fn drawn(&mut self, place: &Place) -> Result<Drawn, TrainError> {
        let shape = self.data.shape();
        let samples: Vec<u64> = place.samples.clone().collect();
        let n = samples.len();
        let mut clean = Vec::with_capacity(n * shape.n_values());
        let mut labels = Vec::with_capacity(n);
        let mut changes = Vec::new();
        let mut bad = Vec::new();
        for &number in &samples {
            let index = self.index(number);
            let mut sample = self.sample(index, &mut bad)?;
            if self.flip && Stream::new(self.seed, Purpose::Augment, 0, number).next_u32() & 1 == 1 {
                flip_horizontal(&mut sample.values, shape);
            }
            if let Some(augment) = &self.augment {
                changes.push(augment.apply(&mut sample.values, shape, self.seed, number));
            }
            clean.extend(sample.values);
            let keeps_class = self
                .drop_class
                .is_none_or(|share| Stream::new(self.seed, Purpose::DropClass, 0, number).uniform() >= share);
            labels.extend(sample.label.map(|label| keeps_class.then_some(label)));
        }
        let streams = samples.iter().map(|&number| Stream::new(self.seed, Purpose::TrainingNoise, 0, number));
        let noise = normals(streams, shape.n_values());
        let condition = Condition {
            labels: self.labels.then_some(labels),
            augment: self.augment.is_some().then_some(changes),
            guidance: self.guidance.map(|range| self.scales(range, &samples)),
            dropout: Some(DropoutKey { seed: self.seed, step: place.step, samples }),
        };
        Ok(Drawn { clean, noise, condition, bad })
    }

    /// The guidance scale of each sample.
    fn scales(&self, range: GuidanceRange, samples: &[u64]) -> Vec<f64> {
        let draw = |&number: &u64| range.draw(&mut Stream::new(self.seed, Purpose::Guidance, 0, number));
        samples.iter().map(draw).collect()
    }

    /// The image of this number, or where it is passed over the next good one by number, after the last the first: what takes
    /// its place depends on nothing else.
    fn sample(&mut self, index: usize, bad: &mut Vec<BadImage>) -> Result<Sample, TrainError> {
        let n = self.data.len();
        let ends = |index, reason| Err(TrainError::BadImage { n: 1, index, reason });
        for index in (0..n).map(|further| (index + further) % n) {
            if self.on_error == OnError::Skip && self.bad.contains(&index) {
                continue;
            }
            match (self.data.sample(index), self.on_error) {
                (Ok(sample), _) => return Ok(sample),
                (Err(reason), OnError::Stop) => return ends(index, reason),
                (Err(reason), OnError::Skip) => {
                    self.bad.insert(index);
                    if self.bad.len() == n {
                        return ends(index, reason);
                    }
                    bad.push(BadImage { index, reason });
                }
            }
        }
        ends(index, DataError::Index { index, len: 0 })
    }

    /// Which image sample `number` of the run is: every epoch is a permutation of the data set.
    fn index(&mut self, number: u64) -> usize {
        let n = self.data.len() as u64;
        let (epoch, position) = (number / n, (number % n) as usize);
        if self.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            let mut order: Vec<u32> = (0..n as u32).collect();
            let mut stream = Stream::new(self.seed, Purpose::Shuffle, epoch, 0);
            for last in (1..order.len()).rev() {
                order.swap(last, stream.below(last as u64 + 1) as usize);
            }
            self.epoch = Some((epoch, order));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[position] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageShape, open};

    /// Emoji of which some cannot be read.
    struct Spoilt(Box<dyn Dataset>);

    impl Dataset for Spoilt {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn shape(&self) -> ImageShape {
            self.0.shape()
        }

        fn class_names(&self) -> &[String] {
            self.0.class_names()
        }

        fn sample(&self, index: usize) -> Result<Sample, DataError> {
            if index % 5 == 2 {
                return Err(DataError::Index { index, len: self.len() });
            }
            self.0.sample(index)
        }

        fn source(&self, index: usize) -> String {
            self.0.source(index)
        }

        fn fingerprint(&self) -> String {
            self.0.fingerprint()
        }
    }

    #[test]
    fn batches_made_ahead_are_those_drawn_when_asked_for_and_tell_of_the_same_bad_images() {
        let settings = ["data.limit=23", "data.on_error=\"skip\""];
        let recipe = Recipe::builtin("emoji-edm", &settings).unwrap();
        let network = recipe.network.build().unwrap();
        let batches = || {
            let data = open(&recipe.data);
            Batches::new(&recipe, Box::new(Spoilt(data.unwrap())), network.as_ref())
        };
        let place = |step: u64| Place { seed: 3, step, samples: 4 * step..4 * step + 4 };
        let (mut plain, mut ahead) = (batches(), batches());
        let device = Device::flex();
        let mut told = 0;
        for step in 0..12 {
            match step % 4 {
                // As training does.
                0 => ahead.prepare(&place(step)),
                // Another one than is asked for.
                1 => ahead.prepare(&place(step + 3)),
                // The images that may be used change meanwhile.
                2 => {
                    ahead.prepare(&place(step));
                    plain.pass_over(&[step as usize]);
                    ahead.pass_over(&[step as usize]);
                }
                _ => {}
            }
            let [expected, actual] =
                [&mut plain, &mut ahead].map(|batches| batches.batch(&place(step), &device).unwrap());
            assert_eq!(expected.0.clean.to_data(), actual.0.clean.to_data(), "step {step}");
            assert_eq!(expected.0.noise.to_data(), actual.0.noise.to_data(), "step {step}");
            let indices = |bad: &[BadImage]| bad.iter().map(|bad| bad.index).collect::<Vec<_>>();
            assert_eq!(indices(&expected.1), indices(&actual.1), "step {step}");
            told += actual.1.len();
        }
        assert!(told >= 3, "{told} bad images");
    }
}
