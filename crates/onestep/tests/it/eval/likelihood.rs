//! Likelihoods: against Gaussians, whose density is known, and against the exact trace.

use burn::tensor::Device;
use onestep::Model;
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding, open};
use onestep::eval::{
    EvalError, LikelihoodOptions, Trace, bits_per_dimension, likelihood, likelihood_spec, log_density,
};
use onestep::model::{
    Architecture, Component, Condition, GaussianMixture, NoiseRange, Preconditioned, Preconditioning, Weights,
};
use onestep::noise::{Purpose, Stream};
use onestep::observer::{Event, Flow};
use onestep::sample::SamplingProfile;

use super::{small_model, small_unet};
use crate::data::{RGB8, picture};

/// ln of the density of N(mean, std²) in each coordinate.
fn gaussian(point: &[f64], mean: &[f64], std: f64) -> f64 {
    let term = |(x, m): (&f64, &f64)| {
        -0.5 * ((x - m) / std).powi(2) - 0.5 * (std::f64::consts::TAU * std * std).ln()
    };
    point.iter().zip(mean).map(term).sum()
}

fn densities(
    model: &GaussianMixture,
    points: &[f64],
    dimension: usize,
    options: &LikelihoodOptions,
) -> Vec<f64> {
    let n = points.len() / dimension;
    let numbers: Vec<u64> = (0..n as u64).collect();
    let shape = [n, 1, 1, dimension];
    let condition = Condition::default();
    log_density(model, points.to_vec(), shape, &numbers, &condition, options, &Device::flex()).unwrap()
}

/// At σ_min, data N(m, s²) has the density N(m, s² + σ_min²); at σ_max, N(m, s² + σ_max²), which is put in as the prior.
#[test]
fn the_density_of_a_gaussian_is_found() {
    let (mean, std) = (vec![0.0; 3], 0.5);
    let (sigma_min, sigma_max) = (0.002, 80.0);
    let model = GaussianMixture::single(mean.clone(), std, sigma_min).unwrap();
    let points = [0.1, -0.4, 0.9, 0.0, 0.0, 0.0, 1.2, -1.0, 0.3];
    let prior_std = (std * std + sigma_max * sigma_max).sqrt();
    let mut errors = Vec::new();
    for n_steps in [16, 32, 64] {
        let options = LikelihoodOptions {
            n_steps,
            prior_std,
            trace: Trace::Exact,
            ..LikelihoodOptions::new(sigma_min, sigma_max)
        };
        let found = densities(&model, &points, 3, &options);
        let exact =
            points.chunks(3).map(|point| gaussian(point, &mean, (std * std + sigma_min * sigma_min).sqrt()));
        errors.push(found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max));
    }
    // Fourth order: half the step, a sixteenth of the error (a twelfth is asked for).
    assert!(errors[1] < errors[0] / 12.0 && errors[2] < errors[1] / 12.0, "{errors:?}");
    assert!(errors[2] < 2e-4, "{errors:?}");
    // Every probe of signs gives the exact trace of a multiple of the identity.
    let options =
        |trace| LikelihoodOptions { prior_std, trace, ..LikelihoodOptions::new(sigma_min, sigma_max) };
    let probed = densities(&model, &points, 3, &options(Trace::Probes(2)));
    let exact = densities(&model, &points, 3, &options(Trace::Exact));
    assert!(probed.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-9), "{probed:?} {exact:?}");
}

/// The density of a mixture integrates to one: a sum over a grid that covers it.
#[test]
fn a_density_integrates_to_one() {
    let component = |share, mean: f64, std| Component { share, mean: vec![mean], std };
    let mixture =
        GaussianMixture::new(vec![component(0.3, -1.0, 0.3), component(0.7, 0.8, 0.5)], 0.002).unwrap();
    let points: Vec<f64> = (0..120).map(|i| -3.0 + 0.05 * f64::from(i)).collect();
    let options =
        LikelihoodOptions { n_steps: 48, trace: Trace::Exact, ..LikelihoodOptions::new(0.002, 80.0) };
    let total: f64 = densities(&mixture, &points, 1, &options).iter().map(|log| 0.05 * log.exp()).sum();
    // The prior leaves out the data's own mean and variance: 0.8/80 of the width.
    assert!((total - 1.0).abs() < 2e-3, "{total}");
}

/// On a mixture, whose derivative is no multiple of the identity, probes are right on average.
#[test]
fn probes_estimate_the_trace() {
    let component = |share, mean: [f64; 4], std| Component { share, mean: mean.to_vec(), std };
    let components =
        vec![component(0.5, [1.0, 0.0, -1.0, 0.5], 0.4), component(0.5, [-1.0, 0.5, 1.0, 0.0], 0.6)];
    let mixture = GaussianMixture::new(components, 0.002).unwrap();
    let points: Vec<f64> = [0.3, 0.2, 0.1, -0.1].repeat(64);
    let options = |trace| LikelihoodOptions { n_steps: 12, trace, ..LikelihoodOptions::new(0.002, 80.0) };
    let exact = densities(&mixture, &points[..4], 4, &options(Trace::Exact))[0];
    // 64 equal points with a probe each.
    let probed = densities(&mixture, &points, 4, &options(Trace::Probes(1)));
    let mean = probed.iter().sum::<f64>() / 64.0;
    let variance = probed.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 63.0;
    assert!(variance > 1e-6, "the probes of two images differ");
    assert!(
        (mean - exact).abs() < 5.0 * (variance / 64.0).sqrt(),
        "{mean} ± {} {exact}",
        (variance / 64.0).sqrt()
    );
}

/// Pixels drawn from a Gaussian take its differential entropy, on average, in bits.
#[test]
fn bits_of_gaussian_noise_are_its_entropy() {
    let std = 0.25;
    let shape = RGB8;
    let image = |seed| {
        let noise = Stream::new(seed, Purpose::Test, 0, 0).standard_normal(shape.n_values());
        let values: Vec<f32> = noise.iter().map(|z| z * std as f32).collect();
        Pixels::from_values(&values, shape, onestep::data::Rounding::Edm).unwrap()
    };
    let model = GaussianMixture::single(vec![0.0; shape.n_values()], std, 0.002).unwrap();
    let images: Vec<Pixels> = (0..8).map(image).collect();
    let options = LikelihoodOptions::new(0.002, 80.0);
    let numbers: Vec<u64> = (0..8).collect();
    let bits =
        bits_per_dimension(&model, &images, &numbers, &Condition::default(), &options, &Device::flex())
            .unwrap();
    let mean = bits.iter().sum::<f64>() / 8.0;
    let entropy = 0.5 * (std::f64::consts::TAU * std::f64::consts::E * std * std).log2() + 7.0;
    // 1536 pixels: the mean of x²/2s² has a deviation of 0.018, times 1/ln 2.
    assert!((mean - entropy).abs() < 0.1, "{mean} {entropy}");
    assert_eq!(options.nfe(shape.n_values()), 128);
}

/// A real network: differentiable through its preconditioning, and blind to its batch mates.
#[test]
fn an_image_has_the_same_likelihood_in_any_batch() {
    let network = Architecture::Song(small_unet()).build().unwrap();
    let [height, width, channels] = network.image();
    let weights = Weights::initialize(network.parameters(), 1, &Device::flex());
    let model = Preconditioned::new(network.clone(), weights, Preconditioning::Edm, NoiseRange::default());
    let shape = onestep::data::ImageShape { height, width, channels };
    let images: Vec<Pixels> = (0..3).map(|seed| picture(shape, seed)).collect();
    let options = LikelihoodOptions { n_steps: 2, ..LikelihoodOptions::new(0.002, 80.0) };
    let run = |range: std::ops::Range<usize>| {
        let numbers: Vec<u64> = range.clone().map(|index| index as u64).collect();
        let labels = network.n_classes().map(|n| range.clone().map(|index| index % n).collect());
        let condition = Condition::of_labels(labels);
        bits_per_dimension(&model, &images[range], &numbers, &condition, &options, &Device::flex()).unwrap()
    };
    let together = run(0..3);
    assert!(together.iter().all(|bits| bits.is_finite()), "{together:?}");
    assert_eq!(together, [run(0..1), run(1..3)].concat());
    assert!(run(0..0).is_empty());
}

#[test]
fn wrong_options_are_refused() {
    let model = GaussianMixture::single(vec![0.0; 2], 0.5, 0.002).unwrap();
    let good = LikelihoodOptions::new(0.002, 80.0);
    for options in [
        LikelihoodOptions { n_steps: 0, ..good },
        LikelihoodOptions { trace: Trace::Probes(0), ..good },
        LikelihoodOptions { sigma_min: 80.0, ..good },
        LikelihoodOptions { prior_std: f64::NAN, ..good },
    ] {
        let condition = Condition::default();
        let result =
            log_density(&model, vec![0.0; 2], [1, 1, 1, 2], &[0], &condition, &options, &Device::flex());
        assert!(result.is_err(), "{options:?}");
    }
    let condition = Condition::default();
    assert!(
        log_density(&model, vec![0.0; 3], [1, 1, 1, 2], &[0], &condition, &good, &Device::flex()).is_err()
    );
}

/// A set's likelihood is that of its images, in any batch; whoever watches can stop and keeps what is done.
#[test]
fn the_likelihood_of_a_set_is_that_of_its_images() {
    let shape = ImageShape { height: 4, width: 4, channels: 3 };
    let mixture = GaussianMixture::single(vec![0.1; shape.n_values()], 0.5, 0.002).unwrap();
    let model =
        Model::from_denoiser(mixture.clone(), shape, SamplingProfile::diffusion(NoiseRange::default()));
    let options = LikelihoodOptions { n_steps: 3, ..LikelihoodOptions::of(&model).unwrap() };
    let spec =
        likelihood_spec(&model, DataSpec { limit: Some(5), ..DataSpec::new("builtin:emoji") }).unwrap();
    let set = open(&spec).unwrap();
    let found = likelihood(&model, &*set, &options, 2, &mut ()).unwrap();
    let images: Vec<Pixels> = (0..5)
        .map(|index| Pixels::from_values(&set.sample(index).unwrap().values, shape, Rounding::Edm).unwrap())
        .collect();
    let (numbers, condition) = ([0, 1, 2, 3, 4], Condition::default());
    let each =
        bits_per_dimension(&mixture, &images, &numbers, &condition, &options, &Device::flex()).unwrap();
    assert_eq!((&found.each, found.nfe, found.is_whole()), (&each, 12, true));
    assert!((found.mean() - each.iter().sum::<f64>() / 5.0).abs() < 1e-12);
    let variance = each.iter().map(|bits| (bits - found.mean()).powi(2)).sum::<f64>() / 4.0;
    assert!((found.standard_error() - (variance / 5.0).sqrt()).abs() < 1e-12);

    let mut stop = |event: &Event| {
        if matches!(event, Event::Progress { done: 4, total: 5, .. }) { Flow::Stop } else { Flow::Continue }
    };
    let stopped = likelihood(&model, &*set, &options, 2, &mut stop).unwrap();
    assert_eq!((stopped.each.as_slice(), stopped.is_whole()), (&each[..4], false));

    assert!(matches!(LikelihoodOptions::of(&small_model()), Err(EvalError::NoOde)));
    let wide = ImageShape { width: 8, ..shape };
    let wide = Model::from_denoiser(mixture, wide, SamplingProfile::diffusion(NoiseRange::default()));
    let spec = likelihood_spec(&wide, DataSpec::new("builtin:emoji")).unwrap();
    assert_eq!(spec.image_size, Some(wide.shape().size()));
}
