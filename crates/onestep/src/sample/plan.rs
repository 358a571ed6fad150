//! Plans: everything about a sampler except the model and the seeds.

use burn::tensor::Device;

use super::{OdeEnd, OdeMethod, OdeOptions, Request, sample_multistep, sample_ode};
use crate::Result;
use crate::data::ImageShape;
use crate::model::{Condition, NoiseRange, Preconditioned};
use crate::noise::{LevelsError, Purpose, SamplingLevels, SeedNoise, Stream, sigma_from_trig};

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
    /// How a model of progressive distillation samples: one Euler step from each level to the next, the last of which is
    /// not evaluated.
    pub fn progressive(levels: SamplingLevels) -> Self {
        let options =
            OdeOptions { method: OdeMethod::Euler, end: OdeEnd::LastLevel, ..OdeOptions::default() };
        Self::Ode { levels, options }
    }

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

/// Samples in the order of their seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// `[n, height, width, channels]`, flat; images in [-1, 1].
    pub values: Vec<f32>,
    /// Shape of one sample.
    pub shape: ImageShape,
    /// Class of each sample, for class-conditional models.
    pub labels: Option<Vec<usize>>,
}

/// The class of a seed where nobody chose one: drawn from the seed itself, so that it is always the same.
pub fn class_of_seed(seed: u64, n_classes: usize) -> usize {
    Stream::new(seed, Purpose::Label, 0, 0).below(n_classes as u64) as usize
}

/// Draws one sample a seed, `batch` at a time; answering false to the count of finished samples stops early.
///
/// Images are clamped to [-1, 1]; points (1x1 samples) are not.
///
/// # Randomness
///
/// A seed is an image: the same alone, in any batch, on any number of threads. Where `labels` are not given, a
/// class-conditional model takes [`class_of_seed`].
///
/// # Errors
///
/// Whatever the model returns, for example for labels it does not know.
pub fn generate(
    model: &Preconditioned,
    plan: &Plan,
    seeds: &[u64],
    labels: Option<&[usize]>,
    batch: usize,
    device: &Device,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Samples> {
    let [height, width, channels] = model.network().image();
    let shape = ImageShape { height, width, channels };
    let labels: Option<Vec<usize>> = match (labels, model.network().n_classes()) {
        (Some(labels), _) => Some(labels.to_vec()),
        (None, Some(n_classes)) => Some(seeds.iter().map(|&seed| class_of_seed(seed, n_classes)).collect()),
        (None, None) => None,
    };
    let mut values = Vec::with_capacity(seeds.len() * shape.n_values());
    let mut done = 0;
    for chunk in seeds.chunks(batch.max(1)) {
        let condition = Condition {
            labels: labels.as_ref().map(|labels| labels[done..done + chunk.len()].to_vec()),
            ..Condition::default()
        };
        let request = Request {
            shape: [chunk.len(), height, width, channels],
            condition: &condition,
            clamp: height * width > 1,
            device,
            on_estimate: &mut |_| true,
        };
        let mut noise = SeedNoise::new(chunk);
        let images = match plan {
            Plan::Multistep(levels) => sample_multistep(model, levels, &mut noise, request)?,
            Plan::Ode { levels, options } => sample_ode(model, levels, options, &mut noise, request)?,
        };
        values.extend(images.into_data().iter::<f32>());
        done += chunk.len();
        if !progress(done) {
            break;
        }
    }
    Ok(Samples { values, shape, labels: labels.map(|labels| labels[..done].to_vec()) })
}
