//! Plans: everything about a sampler except the model and the seeds.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::{OdeOptions, Request, Samples, sample_multistep, sample_ode};
use crate::Result;
use crate::data::ImageShape;
use crate::model::{Condition, Denoiser, NoiseRange, read};
use crate::noise::{LevelsError, Purpose, SamplingLevels, SeedNoise, Stream, sigma_from_trig};
use crate::observer::{Estimate, Flow, Observer, Work, tell};

/// How images are drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Consistency sampling at these levels.
    Multistep(SamplingLevels),
    /// Following the ODE of a diffusion model.
    Ode {
        /// The levels it visits.
        levels: SamplingLevels,
        /// How.
        options: OdeOptions,
    },
}

impl Plan {
    /// Network evaluations a sample.
    pub fn nfe(&self) -> usize {
        match self {
            Self::Multistep(levels) => levels.as_slice().len(),
            Self::Ode { levels, options } => options.nfe(levels.as_slice().len()),
        }
    }
}

/// `n` levels for multistep sampling where none were searched: the Karras grid of n + 1 levels without σ_min.
///
/// # Errors
///
/// [`LevelsError`] if `n` is zero or the range is empty.
pub fn default_levels(n: usize, range: &NoiseRange, rho: f64) -> Result<SamplingLevels, LevelsError> {
    let grid = SamplingLevels::karras(n + 1, range.sigma_min, range.sigma_max, rho)?;
    SamplingLevels::new(grid.as_slice()[..n].to_vec())
}

/// The angle of the second of two steps.
const SECOND_ANGLE: f64 = 1.1;

/// `n` levels for sampling from a continuous-time model: σ_max, then angles from 1.1 down in even steps.
///
/// Two are the published pair; for more none were published.
///
/// # Errors
///
/// [`LevelsError`] if `n` is zero or the range does not reach so far.
///
/// # Source
///
/// Lu and Song 2024 (arXiv:2410.11081), appendix G: t = arctan(σ_max/σ_data), then 1.1.
pub fn trig_levels(n: usize, range: &NoiseRange) -> Result<SamplingLevels, LevelsError> {
    let angles = (1..n).map(|i| SECOND_ANGLE * (n - i) as f64 / (n - 1) as f64);
    let rest = angles.map(|angle| sigma_from_trig(angle, range.sigma_data));
    SamplingLevels::new([range.sigma_max].into_iter().take(n).chain(rest).collect())
}

/// The class of a seed where nobody chose one: drawn from the seed itself, so that it is always the same.
pub fn class_of_seed(seed: u64, n_classes: usize) -> usize {
    Stream::new(seed, Purpose::Label, 0, 0).below(n_classes as u64) as usize
}

/// The classes of seeds where nobody chose them; none for a model without classes.
pub fn classes_of_seeds(seeds: &[u64], n_classes: Option<usize>) -> Option<Vec<usize>> {
    n_classes.map(|n_classes| seeds.iter().map(|&seed| class_of_seed(seed, n_classes)).collect())
}

/// Everything that decides which images are drawn, and how many together.
#[derive(Clone, Copy)]
pub struct Drawing<'a> {
    /// What they are drawn from.
    pub model: &'a dyn Denoiser,
    /// Shape of one sample.
    pub shape: ImageShape,
    /// How they are drawn.
    pub plan: &'a Plan,
    /// One seed an image.
    pub seeds: &'a [u64],
    /// One class an image, where the model knows classes.
    pub labels: Option<&'a [usize]>,
    /// Images drawn together; does not change them.
    pub batch: usize,
    /// Where to compute.
    pub device: &'a Device,
}

impl<'a> Drawing<'a> {
    /// The drawing of some of the images only.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        Self { seeds: &self.seeds[range.clone()], labels: self.labels.map(|labels| &labels[range]), ..self }
    }

    /// Some of the samples, drawn together; none if the observer does not want to see them done.
    fn batch_of(&self, indices: &[usize], observer: &mut dyn Observer) -> Result<Option<Samples>> {
        let ImageShape { height, width, channels } = self.shape;
        let seeds: Vec<u64> = indices.iter().map(|&index| self.seeds[index]).collect();
        let labels = self.labels.map(|labels| indices.iter().map(|&index| labels[index]).collect::<Vec<_>>());
        let condition = Condition::of_labels(labels.clone());
        let (mut step, mut wanted) = (0, true);
        let mut on_estimate = |images: &Tensor<4>| {
            step += 1;
            wanted = observer.look(&Estimate { places: indices, step, images }) == Flow::Continue;
            wanted
        };
        let request = Request {
            shape: [seeds.len(), height, width, channels],
            condition: &condition,
            clamp: height * width > 1,
            device: self.device,
            on_estimate: &mut on_estimate,
        };
        let mut noise = SeedNoise::new(&seeds);
        let images = match self.plan {
            Plan::Multistep(levels) => sample_multistep(self.model, levels, &mut noise, request)?,
            Plan::Ode { levels, options } => sample_ode(self.model, levels, options, &mut noise, request)?,
        };
        if !wanted {
            return Ok(None);
        }
        let values = read(images)?.iter::<f32>().collect();
        Ok(Some(Samples { values, shape: self.shape, seeds, labels }))
    }
}

/// Where samples go as they are drawn, so that they need not all be kept.
pub trait SampleSink {
    /// Whether a sample, by its place among the seeds, is still to be drawn; those that are there already need not be.
    fn wants(&self, index: usize) -> bool {
        let _ = index;
        true
    }

    /// Takes the next samples, those of these places.
    ///
    /// # Errors
    ///
    /// Whatever keeping them meets, which ends the drawing.
    fn take(&mut self, indices: &[usize], samples: &Samples) -> Result<()>;
}

/// Draws one sample a seed, a batch at a time. An observer that asks to stop gets what is done so far.
///
/// Images are clamped to [-1, 1]; points (1x1 samples) are not.
///
/// # Randomness
///
/// A seed is an image: the same alone, in any batch, on any number of threads.
///
/// # Errors
///
/// Whatever the model returns, for example for labels it does not know.
pub fn generate(drawing: &Drawing<'_>, observer: &mut dyn Observer) -> Result<Samples> {
    let mut kept = Kept { values: Vec::with_capacity(drawing.seeds.len() * drawing.shape.n_values()) };
    let done = generate_into(drawing, &mut kept, observer)?;
    let labels = drawing.labels.map(|labels| labels[..done].to_vec());
    Ok(Samples { values: kept.values, shape: drawing.shape, seeds: drawing.seeds[..done].to_vec(), labels })
}

/// Draws one sample a seed, as [`generate`], and hands each batch on as soon as it is drawn: memory does not grow with the number
/// of seeds. Returns how many of the samples are there, which is fewer than the seeds if the observer asked to stop.
///
/// # Randomness
///
/// As [`generate`], whichever samples the sink wants.
///
/// # Errors
///
/// Whatever the model or the sink returns.
pub fn generate_into(
    drawing: &Drawing<'_>,
    sink: &mut dyn SampleSink,
    observer: &mut dyn Observer,
) -> Result<usize> {
    let n = drawing.seeds.len();
    let mut done = 0;
    while done < n {
        let before = done;
        let mut wanted = Vec::with_capacity(drawing.batch.min(n));
        while done < n && wanted.len() < drawing.batch.max(1) {
            if sink.wants(done) {
                wanted.push(done);
            }
            done += 1;
        }
        if !wanted.is_empty() {
            match drawing.batch_of(&wanted, observer)? {
                Some(samples) => sink.take(&wanted, &samples)?,
                None => return Ok(before),
            }
        }
        if !tell(observer, Work::Drawing, done, n) {
            break;
        }
    }
    Ok(done)
}

/// All samples in one place.
struct Kept {
    values: Vec<f32>,
}

impl SampleSink for Kept {
    fn take(&mut self, _indices: &[usize], samples: &Samples) -> Result<()> {
        self.values.extend_from_slice(&samples.values);
        Ok(())
    }
}
