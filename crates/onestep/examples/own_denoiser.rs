//! A denoiser of one's own: any function of a noisy batch and its noise levels can be drawn from.
//!
//! Here the data are two points, and the best estimate of the point behind the noise is known exactly. It is a diffusion
//! model without a network: Heun's method follows its ODE to the two points.
//!
//! ```text
//! cargo run --release -p onestep --example own_denoiser
//! ```

use onestep::burn::tensor::Tensor;
use onestep::prelude::*;

/// Where the two points lie.
const PLACE: f64 = 0.7;

/// The mean of what may lie behind x = ±place + σ·noise: place·tanh(place·(x₁ + x₂)/σ²) in both coordinates.
fn estimate(noisy: Tensor<4>, sigma: &[f64]) -> Tensor<4> {
    let slopes = sigma.iter().map(|sigma| PLACE / (sigma * sigma));
    let slopes = onestep::model::per_sample(slopes, &noisy);
    let both = noisy.clone().sum_dim(3) * slopes;
    noisy.zeros_like() + both.tanh() * PLACE
}

fn main() -> onestep::Result<()> {
    let shape = ImageShape { height: 1, width: 1, channels: 2 };
    let model = Model::from_fn(shape, SamplingProfile::diffusion(NoiseRange::default()), estimate);
    let samples = model.draw().seeds(0..1000).steps(40).run()?;
    let near = |x: f64| {
        samples.values.chunks(2).filter(|p| p.iter().all(|&c| (f64::from(c) - x).abs() < 0.05)).count()
    };
    println!("{} of 1000 points at +{PLACE}, {} at -{PLACE}", near(PLACE), near(-PLACE));
    Ok(())
}
