//! Evaluation, gradient and training step, each run many times.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::Dataset;
use onestep::model::{Condition, Denoiser, per_sample};
use onestep::noise::{Purpose, Stream};
use onestep::objective::{self, Batch, Weighting};
use onestep::train::Trainer;
use onestep_kernels::profile;

use super::Subject;
use super::images::RandomImages;
use super::rows::{self, Row};
use super::timing::{Timing, repeat};
use crate::{BenchError, Result};

/// Timed runs at least, however slow.
const LEAST: usize = 3;
/// Noise levels of the samples, in turn. The first ones are such that an estimate owes about as much to the network as to
/// its input; all are exact as f32.
const SIGMAS: [f64; 6] = [1.0, 0.25, 4.0, 0.0625, 16.0, 64.0];

/// What was measured of one pass.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Of the runs.
    pub timing: Timing,
    /// Nominal floating-point operations of one run.
    pub flop: f64,
    /// The operators of a run of its own, the one in the middle of several, and what is left of it.
    pub rows: Vec<Row>,
    /// The whole of that run.
    pub profiled_seconds: f64,
}

impl Measured {
    /// The same; where no operator said how many operations it is, as on a card, with the nominal number of them.
    pub fn or_nominal(self, flop: f64) -> Self {
        if self.flop > 0.0 { self } else { Self { flop, ..self } }
    }
}

/// A noisy batch with everything that a network is told about it.
pub struct Case {
    /// Images and noise.
    pub batch: Batch,
    /// Images with the noise on them, `[batch, height, width, channels]`.
    pub noisy: Tensor<4>,
    /// One a sample; each is an f32.
    pub sigma: Vec<f64>,
    /// Where it lies.
    pub device: Device,
}

impl Case {
    /// So many images for a network, the same on every run.
    ///
    /// # Errors
    ///
    /// None that were seen: the images are made here.
    pub fn new(subject: &Subject, batch: usize, device: &Device) -> Result<Self> {
        let network = subject.model.network();
        let images = RandomImages::new(network.image(), network.n_classes());
        let (mut clean, mut noise, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..batch {
            let sample = images.sample(index % images.len())?;
            noise.extend(Stream::new(1, Purpose::Test, 0, index as u64).standard_normal(sample.values.len()));
            clean.extend(sample.values);
            labels.extend(sample.label);
        }
        let [height, width, channels] = network.image();
        let tensor = |values: Vec<f32>| {
            Tensor::from_data(TensorData::new(values, [batch, height, width, channels]), device)
        };
        let (clean, noise): (Tensor<4>, Tensor<4>) = (tensor(clean), tensor(noise));
        let sigma: Vec<f64> = SIGMAS.into_iter().cycle().take(batch).collect();
        let noisy = clean.clone() + noise.clone() * per_sample(sigma.iter().copied(), &clean);
        let condition =
            if network.n_classes().is_some() { Condition::classes(labels) } else { Condition::default() };
        Ok(Self { batch: Batch { clean, noise, condition }, noisy, sigma, device: device.clone() })
    }
}

/// One evaluation, without gradients.
///
/// # Errors
///
/// Whatever the model returns.
pub fn forward(subject: &Subject, case: &Case, seconds: f64) -> Result<Measured> {
    measure(
        &case.device,
        seconds,
        || Ok(case.noisy.clone()),
        |noisy| {
            black_box(subject.model.denoise(noisy, &case.sigma, &case.batch.condition)?);
            Ok(())
        },
    )
}

/// The gradient of the denoising loss by every parameter; the evaluation before it is not counted.
///
/// # Errors
///
/// Whatever the model returns.
pub fn backward(subject: &Subject, case: &Case, seconds: f64) -> Result<Measured> {
    let sigma_data = subject.model.range().sigma_data;
    measure(
        &case.device,
        seconds,
        || {
            let tracked = subject.model.weights().tracked();
            let student = subject.model.with_weights(tracked.clone());
            let loss =
                objective::denoising(&student, &case.batch, &case.sigma, Weighting::Karras, sigma_data)?;
            Ok((tracked, loss.mean()))
        },
        |(tracked, loss)| {
            let mut graph = loss.backward();
            black_box(tracked.gradients(&mut graph));
            Ok(())
        },
    )
}

/// A training step as `train` makes it, on random images and the device of the case.
///
/// # Errors
///
/// Whatever the trainer meets.
pub fn step(subject: &Subject, case: &Case, seconds: f64) -> Result<Measured> {
    let network = subject.model.network();
    let images = RandomImages::new(network.image(), network.n_classes());
    let mut trainer = Trainer::new(subject.recipe.clone(), Box::new(images), None, &case.device)?;
    measure(
        &case.device,
        seconds,
        || Ok(()),
        |()| {
            black_box(trainer.step()?);
            Ok(())
        },
    )
}

/// Runs `work` for so many seconds after a run to warm up, then again with the operators recorded; a run ends when the device has
/// ended all of it.
///
/// # Errors
///
/// Those of `prepare`, of `work`, and of the device.
pub fn measure<P>(
    device: &Device,
    seconds: f64,
    mut prepare: impl FnMut() -> Result<P>,
    mut work: impl FnMut(P) -> Result,
) -> Result<Measured> {
    let ended = || device.sync().map_err(|error| BenchError::Device(error.to_string()));
    let mut timed = |prepared| {
        ended()?;
        let started = Instant::now();
        work(prepared)?;
        ended()?;
        Ok::<_, BenchError>(started.elapsed().as_secs_f64())
    };
    timed(prepare()?)?;
    let runs = repeat(seconds, LEAST, || timed(prepare()?))?;
    let mut recorded = Vec::new();
    repeat(seconds / 4.0, 1, || {
        let prepared = prepare()?;
        let (total, entries) = profile::record(|| timed(prepared));
        recorded.push((total?, entries));
        Ok::<_, BenchError>(0.0)
    })?;
    recorded.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (profiled_seconds, entries) = recorded.swap_remove(recorded.len() / 2);
    let rows = rows::from_entries(&entries, profiled_seconds);
    let flop = rows.iter().map(|row| row.flop).sum();
    Ok(Measured { timing: Timing::of(runs), flop, rows, profiled_seconds })
}

/// Nominal floating-point operations of one evaluation, counted on the processor with one image.
///
/// # Errors
///
/// Whatever the model returns.
pub fn flop_forward(subject: &Subject, batch: usize) -> Result<f64> {
    let processor = Device::flex();
    let case = Case::new(subject, 1, &processor)?;
    let model = subject.model.with_weights(subject.model.weights().clone().to_device(&processor));
    let (outcome, entries) =
        profile::record(|| model.denoise(case.noisy.clone(), &case.sigma, &case.batch.condition));
    outcome?;
    Ok(batch as f64 * entries.iter().map(|entry| entry.operation.flop).sum::<f64>())
}
