//! Likelihood: how probable a diffusion model finds images, in bits per dimension.
//!
//! The probability-flow ODE maps an image to a sample of the starting noise without losing volume unnoticed: the density of
//! the image is that of the noise it arrives at, times how much the way stretched or squeezed the space around it. That is an
//! integral of the divergence of the flow, whose trace is estimated with random probes instead of computed entry by entry.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::EvalError;
use crate::Result;
use crate::data::Pixels;
use crate::model::{Condition, Denoiser};
use crate::noise::{Purpose, Stream, karras_levels};

/// How the trace of the denoiser's derivative is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Its mean over so many random directions of signs (Rademacher): unbiased, one gradient each.
    Probes(usize),
    /// Entry by entry, one gradient for each dimension: for points, not for images.
    Exact,
}

/// How a likelihood is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LikelihoodOptions {
    /// Where the path begins: the model's smallest level, at which the image is put in.
    pub sigma_min: f64,
    /// Where it ends.
    pub sigma_max: f64,
    /// Standard deviation of the noise at the end; as published that is σ_max, which leaves out the data's own variance.
    pub prior_std: f64,
    /// The exponent that spaces the steps, as in the Karras grid.
    pub rho: f64,
    /// Steps of the classical Runge-Kutta method, four evaluations each.
    pub n_steps: usize,
    /// The trace.
    pub trace: Trace,
    /// Seed of dequantisation and probes.
    pub seed: u64,
}

impl LikelihoodOptions {
    /// The usual choices between two levels: 32 steps, one probe.
    pub fn new(sigma_min: f64, sigma_max: f64) -> Self {
        let trace = Trace::Probes(1);
        Self { sigma_min, sigma_max, prior_std: sigma_max, rho: 7.0, n_steps: 32, trace, seed: 0 }
    }

    /// Network evaluations an image, each with a gradient.
    pub fn nfe(&self, dimension: usize) -> usize {
        let directions = match self.trace {
            Trace::Probes(n) => n,
            Trace::Exact => dimension,
        };
        4 * self.n_steps * directions
    }
}

/// Bits per dimension of images under a diffusion model; lower is better, 8 is what the bytes themselves take.
///
/// # Randomness
///
/// Each byte is spread over the values that round to it, by one uniform number, and each image has its probes: both are a
/// function of the seed and of the image's number in `numbers`, so an image has the same likelihood alone as in any batch.
///
/// # Errors
///
/// - [`EvalError::Setting`] for options outside their ranges, or another count of numbers than of images.
/// - Whatever the denoiser returns.
///
/// # Source
///
/// Song et al. 2021 (arXiv:2011.13456), section 4.3 and appendix D.2, with uniform dequantisation, as in the published code
/// for CIFAR-10 in JAX. That code integrates with an adaptive Runge-Kutta method of order 5 for a whole batch; here the steps are
/// fixed (order 4, spaced as the Karras grid), so that an image's result does not depend on its batch.
pub fn bits_per_dimension(
    model: &dyn Denoiser,
    images: &[Pixels],
    numbers: &[u64],
    condition: &Condition,
    options: &LikelihoodOptions,
    device: &Device,
) -> Result<Vec<f64>> {
    let Some(first) = images.first() else { return Ok(Vec::new()) };
    if images.len() != numbers.len() || images.iter().any(|image| image.shape() != first.shape()) {
        let reason = "must be of one size, and one number each".into();
        return Err(EvalError::Setting { setting: "images", reason }.into());
    }
    let shape = first.shape();
    let mut values = Vec::with_capacity(images.len() * shape.n_values());
    for (image, &number) in images.iter().zip(numbers) {
        let mut stream = Stream::new(options.seed, Purpose::Likelihood, 0, number);
        let spread = |&byte: &u8| (f64::from(byte) + stream.uniform()) / 128.0 - 1.0;
        values.extend(image.bytes().iter().map(spread));
    }
    let shape4 = [images.len(), shape.height, shape.width, shape.channels];
    let log_densities = log_density(model, values, shape4, numbers, condition, options, device)?;
    // A byte is a cell of side 2/256 in [-1, 1]: 7 bits narrower than the unit.
    let bits = |log_density: f64| 7.0 - log_density / (shape.n_values() as f64 * std::f64::consts::LN_2);
    Ok(log_densities.into_iter().map(bits).collect())
}

/// The logarithm, in nats, of the density that a diffusion model gives to each point.
///
/// # Shapes
///
/// `values`: as many as `shape`, `[batch, height, width, channels]`, says, in the units of the data.
///
/// # Randomness
///
/// As [`bits_per_dimension`], for the probes.
///
/// # Errors
///
/// As [`bits_per_dimension`].
pub fn log_density(
    model: &dyn Denoiser,
    values: Vec<f64>,
    shape: [usize; 4],
    numbers: &[u64],
    condition: &Condition,
    options: &LikelihoodOptions,
    device: &Device,
) -> Result<Vec<f64>> {
    let dimension = shape[1] * shape[2] * shape[3];
    let directions = check(&values, shape, numbers, options)?;
    let share = if options.trace == Trace::Exact { 1.0 } else { 1.0 / directions.len() as f64 };
    let flow = Flow { model, shape, condition, device, directions: &directions, share };
    // Equal steps of u, with σ = u^ρ.
    let levels = karras_levels(options.n_steps + 1, options.sigma_min, options.sigma_max, options.rho)?;
    let (mut state, mut gained) = (values, vec![0.0; shape[0]]);
    for pair in levels.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|sigma| sigma.powf(1.0 / options.rho));
        let step = to - from;
        let mut slopes: Vec<Slope> = Vec::with_capacity(4);
        for (at, weight) in [(0.0, 0.0), (0.5, 0.5), (0.5, 0.5), (1.0, 1.0)] {
            let moved = slopes
                .last()
                .map_or_else(|| state.clone(), |slope| ahead(&state, &slope.state, weight * step));
            let u = from + at * step;
            // The ends of a step are levels, whose values are exact.
            let sigma = if at == 0.0 {
                pair[0]
            } else if at == 1.0 {
                pair[1]
            } else {
                u.powf(options.rho)
            };
            slopes.push(flow.slope(moved, sigma, options.rho * sigma / u)?);
        }
        for (slope, weight) in slopes.iter().zip([1.0, 2.0, 2.0, 1.0]) {
            state = ahead(&state, &slope.state, weight * step / 6.0);
            gained = ahead(&gained, &slope.divergence, weight * step / 6.0);
        }
    }
    let variance = options.prior_std.powi(2);
    let constant = -0.5 * dimension as f64 * (std::f64::consts::TAU * variance).ln();
    let prior = |point: &[f64]| constant - 0.5 * point.iter().map(|x| x * x).sum::<f64>() / variance;
    Ok(state.chunks_exact(dimension).zip(&gained).map(|(point, gained)| prior(point) + gained).collect())
}

/// Checks everything, and draws the directions that traces are taken along.
fn check(
    values: &[f64],
    shape: [usize; 4],
    numbers: &[u64],
    options: &LikelihoodOptions,
) -> Result<Vec<Vec<f64>>> {
    let [batch, height, width, channels] = shape;
    let dimension = height * width * channels;
    let bad = |setting, reason: String| Err(EvalError::Setting { setting, reason }.into());
    if values.len() != batch * dimension || numbers.len() != batch {
        return bad(
            "values",
            format!("must be {dimension} for each of {} points, got {}", numbers.len(), values.len()),
        );
    }
    let has_prior = options.prior_std > 0.0;
    if options.n_steps == 0 || !has_prior {
        return bad("steps", "and the deviation at the end must be positive".into());
    }
    match options.trace {
        Trace::Probes(0) => bad("probes", "must be at least 1".into()),
        Trace::Probes(n) => {
            let signs = |probe: usize| {
                let of_point = |&number: &u64| {
                    let mut stream = Stream::new(options.seed, Purpose::Likelihood, 1 + probe as u64, number);
                    (0..dimension).map(move |_| if stream.next_u32() >> 31 == 0 { 1.0 } else { -1.0 })
                };
                numbers.iter().flat_map(of_point).collect()
            };
            Ok((0..n).map(signs).collect())
        }
        Trace::Exact => {
            let along = |axis| {
                (0..batch * dimension).map(|i| if i % dimension == axis { 1.0 } else { 0.0 }).collect()
            };
            Ok((0..dimension).map(along).collect())
        }
    }
}

/// The flow, and what its divergence is measured along.
struct Flow<'a> {
    model: &'a dyn Denoiser,
    shape: [usize; 4],
    condition: &'a Condition,
    device: &'a Device,
    directions: &'a [Vec<f64>],
    /// What one direction counts: probes are averaged, axes are added up.
    share: f64,
}

/// How fast the state moves, and the volume around each point grows.
struct Slope {
    state: Vec<f64>,
    divergence: Vec<f64>,
}

impl Flow<'_> {
    /// dx/dσ = (x - D(x, σ))/σ and its divergence, both times `speed` = dσ/du.
    fn slope(&self, state: Vec<f64>, sigma: f64, speed: f64) -> Result<Slope> {
        let [batch, height, width, channels] = self.shape;
        let dimension = height * width * channels;
        let tensor = |values: &[f64]| {
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), self.shape), (self.device, DType::F64))
        };
        let input = tensor(&state);
        let (mut traces, mut estimate) = (vec![0.0; batch], Vec::new());
        for direction in self.directions {
            let noisy = input.clone().autodiff().require_grad();
            let denoised = self.model.denoise(noisy.clone(), &vec![sigma; batch], self.condition)?;
            if estimate.is_empty() {
                estimate = numbers(denoised.clone().inner());
            }
            let gradients = (denoised * tensor(direction)).sum().backward();
            let gradient = noisy.grad(&gradients).map(numbers).unwrap_or_else(|| vec![0.0; state.len()]);
            let products = gradient.chunks_exact(dimension).zip(direction.chunks_exact(dimension));
            for (trace, (gradient, direction)) in traces.iter_mut().zip(products) {
                *trace += gradient.iter().zip(direction).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        let factor = speed / sigma;
        Ok(Slope {
            state: state.iter().zip(&estimate).map(|(x, clean)| (x - clean) * factor).collect(),
            // The trace of the identity is exact: only that of the denoiser is estimated.
            divergence: traces.iter().map(|trace| (dimension as f64 - trace * self.share) * factor).collect(),
        })
    }
}

fn ahead(state: &[f64], slope: &[f64], step: f64) -> Vec<f64> {
    state.iter().zip(slope).map(|(x, slope)| x + step * slope).collect()
}

fn numbers(tensor: Tensor<4>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
