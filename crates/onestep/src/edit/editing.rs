//! Editing: a start, levels and seeds in, images out, a batch at a time. Every edit is made here.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::{BetweenSeeds, Start, denoise, interpolate, sample_edit};
use crate::Result;
use crate::data::ImageShape;
use crate::model::{Condition, Denoiser, read};
use crate::noise::{SamplingLevels, SeedNoise};
use crate::observer::{Estimate, Flow, Observer, Work, tell};
use crate::sample::{Request, Samples, sample_multistep};

/// Everything that decides what edited images become, and how many are made together.
#[derive(Clone, Copy)]
pub struct Editing<'a> {
    /// What edits.
    pub model: &'a dyn Denoiser,
    /// Shape of one image.
    pub shape: ImageShape,
    /// Where it starts.
    pub start: &'a Start,
    /// The noise levels it visits.
    pub levels: &'a SamplingLevels,
    /// One seed an image; for images on a way, that of the noise after the first.
    pub seeds: &'a [u64],
    /// One class an image, where the model knows classes.
    pub labels: Option<&'a [usize]>,
    /// Images made together; does not change them.
    pub batch: usize,
    /// Where to compute.
    pub device: &'a Device,
}

impl Editing<'_> {
    /// Makes some of the images. An observer that asks to stop gets what is done so far.
    ///
    /// # Shapes
    ///
    /// [`Samples::values`]: `[range, height, width, channels]`, flat, in [-1, 1].
    ///
    /// # Randomness
    ///
    /// A function of start, levels, seed and class: the same alone, in any batch, on any number of threads. Images on a way
    /// depend on their place on it.
    ///
    /// # Errors
    ///
    /// [`EditError`](super::EditError) where a constraint does not fit; whatever the model returns.
    pub fn run(&self, range: Range<usize>, observer: &mut dyn Observer) -> Result<Samples> {
        let mut kept = self.batches(range, false, observer)?;
        Ok(kept.remove(0))
    }

    /// Makes all images and keeps them as they are after each step; the last are the result.
    ///
    /// # Errors
    ///
    /// As [`Editing::run`].
    pub fn run_keeping_path(&self, observer: &mut dyn Observer) -> Result<Vec<Samples>> {
        self.batches(0..self.seeds.len(), true, observer)
    }

    /// The images of a range: after every step, or after the last alone.
    fn batches(
        &self,
        range: Range<usize>,
        keep_path: bool,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Samples>> {
        let n_kept = if keep_path { self.levels.as_slice().len() } else { 1 };
        let (mut values, mut done) = (vec![Vec::new(); n_kept], range.start);
        while done < range.end {
            let part = done..range.end.min(done + self.batch.max(1));
            let places: Vec<usize> = part.clone().collect();
            let (mut step, mut wanted, mut failed) = (0, true, None);
            let mut keep = |images: &Tensor<4>| {
                // The last estimate is what sampling returns.
                if step + 1 < n_kept {
                    match read(images.clone()) {
                        Ok(data) => values[step].extend(data.iter::<f32>()),
                        Err(failure) => failed = Some(failure),
                    }
                }
                step += 1;
                wanted = observer.look(&Estimate { places: &places, step, images }) == Flow::Continue;
                wanted && failed.is_none()
            };
            let edited = self.one_batch(part.clone(), &mut keep)?;
            if let Some(failure) = failed {
                return Err(failure.into());
            }
            if !wanted {
                let n_values = (done - range.start) * self.shape.n_values();
                values.iter_mut().for_each(|values| values.truncate(n_values));
                break;
            }
            done = part.end;
            values[n_kept - 1].extend(read(edited)?.iter::<f32>());
            if !tell(observer, Work::Editing, done - range.start, range.len()) {
                break;
            }
        }
        let range = range.start..done;
        let samples = |values| Samples {
            values,
            shape: self.shape,
            seeds: self.seeds[range.clone()].to_vec(),
            labels: self.labels.map(|labels| labels[range.clone()].to_vec()),
        };
        Ok(values.into_iter().map(samples).collect())
    }

    fn one_batch(
        &self,
        range: Range<usize>,
        on_estimate: &mut dyn FnMut(&Tensor<4>) -> bool,
    ) -> Result<Tensor<4>> {
        let &Self { model, levels, device, shape: ImageShape { height, width, channels }, .. } = self;
        let seeds = &self.seeds[range.clone()];
        let labels = self.labels.map(|labels| labels[range.clone()].to_vec());
        let condition = Condition::of_labels(labels);
        let request = Request {
            shape: [range.len(), height, width, channels],
            condition: &condition,
            clamp: true,
            device,
            on_estimate,
        };
        let last = self.seeds.len().saturating_sub(1).max(1);
        let places = || range.clone().map(|i| i as f64 / last as f64).collect::<Vec<_>>();
        match self.start {
            Start::Images(images) => {
                sample_edit(model, levels, &images.edit_of(&range), &mut SeedNoise::new(seeds), request)
            }
            Start::Noisy(image) => denoise(model, levels, image, seeds, request),
            &Start::BetweenSeeds([first, second]) => {
                let mut noise = BetweenSeeds::new(first, second, &places());
                sample_multistep(model, levels, &mut noise, request)
            }
            &Start::NearSeed { seed, distance } => {
                // The first candidate's seed may be the one to stay near; the others lead away from it all the same.
                let other = |other: &u64| other.wrapping_add(seed).wrapping_add(1);
                let others: Vec<u64> = seeds.iter().map(other).collect();
                sample_multistep(model, levels, &mut BetweenSeeds::near(seed, &others, distance), request)
            }
            Start::BetweenNoises([a, b]) => interpolate(model, levels, [a, b], &places(), seeds, request),
        }
    }
}
