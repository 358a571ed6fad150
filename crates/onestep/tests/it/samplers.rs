//! Samplers against golden numbers, closed forms and each other.

use burn::tensor::Device;
use onestep::model::{Condition, Denoiser, GaussianMixture, Preconditioning};
use onestep::noise::{NoiseSource, SamplingLevels, SeedNoise};
use onestep::sample::{Churn, OdeEnd, OdeMethod, OdeOptions, Request, sample_multistep, sample_ode};
use serde_json::Value;

use crate::golden::models::{condition, golden_model};
use crate::golden::recorded::Watched;
use crate::golden::{self, Array, Case};

/// Noise from a golden file, in the order the reference consumed it.
pub struct Recorded {
    /// Batch, height, width and channels of each draw.
    shape: [usize; 4],
    draws: Vec<Vec<f32>>,
    next: usize,
}

impl Recorded {
    /// `first` and then `noise` with a number of the case, in the order of the numbers.
    pub fn new(case: &Case, first: Option<&str>) -> Self {
        let first = first.map(|key| case.array(key)).into_iter();
        let draws = first.chain(case.numbered("noise", "").into_values());
        Self::of(draws.map(Array::channels_last).collect())
    }

    /// Draws in this order, channels last.
    pub fn of(draws: Vec<Array>) -> Self {
        let shape = draws.first().and_then(|draw| draw.shape.as_slice().try_into().ok()).expect("noise");
        Self { shape, draws: draws.iter().map(Array::f32).collect(), next: 0 }
    }
}

impl NoiseSource for Recorded {
    fn standard_normal(&mut self, batch: usize, values_per_sample: usize) -> Vec<f32> {
        let draw = self.draws[self.next].clone();
        assert_eq!(draw.len(), batch * values_per_sample);
        self.next += 1;
        draw
    }
}

fn option(case: &Case, key: &str, default: f64) -> f64 {
    case.noise_setting(key).unwrap_or(default)
}

fn request<'a>(
    shape: [usize; 4],
    condition: &'a Condition,
    clamp: bool,
    device: &'a Device,
    ignore: &'a mut dyn FnMut(&burn::tensor::Tensor<4>) -> bool,
) -> Request<'a> {
    Request { shape, condition, clamp, device, on_estimate: ignore }
}

#[test]
fn golden_samplers() {
    for name in golden::cases::starting_with("sample_") {
        golden_sampler(name);
    }
}

fn golden_sampler(name: &str) {
    let Some(case) = golden::case(name) else { return };
    let preconditioning = match case.json["distillation"].as_bool() {
        Some(true) => Preconditioning::Boundary,
        _ => Preconditioning::Edm,
    };
    let model = Watched::new(&case, golden_model(&case, None, preconditioning));
    let device = crate::devices::device();
    let (low, high, rho) = (case.number("sigma_min"), case.number("sigma_max"), case.number("rho"));
    let steps = case.number("steps") as usize;
    let mut noise = Recorded::new(&case, None);
    let shape = noise.shape;
    let condition = condition(&case, "");
    let clamp = case.get("clip_denoised").as_bool().expect("a flag");
    let mut nfe = 0;
    let mut count = |_: &_| {
        nfe += 1;
        true
    };
    let request = request(shape, &condition, clamp, &device, &mut count);
    let sampler = case.text("sampler");
    let samples = match sampler {
        "onestep" | "multistep" => {
            let levels = match case.json["options"].get("ts").and_then(Value::as_array) {
                Some(indices) => {
                    let indices: Vec<usize> = indices.iter().map(|i| i.as_u64().unwrap() as usize).collect();
                    SamplingLevels::from_indices(&indices, steps, low, high, rho).unwrap()
                }
                None => SamplingLevels::new(vec![high]).unwrap(),
            };
            let samples = sample_multistep(&model, &levels, &mut noise, request).unwrap();
            assert_eq!(nfe as f64, case.number("number_of_network_calls"));
            samples
        }
        _ => {
            let (method, end) = match sampler {
                "heun" => (OdeMethod::Heun, OdeEnd::Zero),
                "euler" => (OdeMethod::Euler, OdeEnd::Zero),
                "dpm" => (OdeMethod::Dpm2, OdeEnd::Zero),
                "ancestral" => (OdeMethod::Ancestral, OdeEnd::Zero),
                "progdist" => (OdeMethod::Euler, OdeEnd::LastLevel),
                other => panic!("{name}: there is no sampler `{other}` here"),
            };
            let n_levels = if end == OdeEnd::Zero { steps } else { steps + 1 };
            let levels = SamplingLevels::karras(n_levels, low, high, rho).unwrap();
            let churn = Churn {
                amount: option(&case, "s_churn", 0.0),
                sigma_low: option(&case, "s_tmin", 0.0),
                sigma_high: option(&case, "s_tmax", f64::INFINITY),
                std: option(&case, "s_noise", 1.0),
            };
            let options = OdeOptions { method, churn, end, ..OdeOptions::default() };
            assert_eq!(options.nfe(n_levels) as f64, case.number("number_of_network_calls"));
            sample_ode(&model, &levels, &options, &mut noise, request).unwrap()
        }
    };
    if !model.finish() {
        println!("golden | {name} | samples not compared: not all of their evaluations are recorded |");
        return;
    }
    // The reference clamps the final samples whether or not it clamps the estimates.
    if let Some(expected) = case.find("samples_unclamped") {
        let unclamped = Array::from_tensor(samples.clone());
        case.check("samples before the last clamp", &unclamped, &expected.channels_last());
    }
    let expected = case.array("samples").channels_last();
    case.check("samples", &Array::from_tensor(samples.clamp(-1.0, 1.0)), &expected);
}

#[test]
fn golden_edm_samplers() {
    for name in ["edm_sampler_deterministic", "edm_sampler_stochastic"] {
        let Some(case) = golden::case(name) else { continue };
        let model = Watched::new(&case, golden_model(&case, None, Preconditioning::Edm));
        let device = crate::devices::device();
        let n_levels = option(&case, "num_steps", 18.0) as usize;
        let levels = SamplingLevels::karras(
            n_levels,
            option(&case, "sigma_min", 0.002),
            option(&case, "sigma_max", 80.0),
            option(&case, "rho", 7.0),
        )
        .unwrap();
        let churn = Churn {
            amount: option(&case, "S_churn", 0.0),
            sigma_low: option(&case, "S_min", 0.0),
            sigma_high: option(&case, "S_max", f64::INFINITY),
            std: option(&case, "S_noise", 1.0),
        };
        let options = OdeOptions { churn, double: true, ..OdeOptions::default() };
        assert_eq!(options.nfe(n_levels) as f64, case.number("number_of_network_calls"));
        let expected = case.array("samples").channels_last();
        let condition = condition(&case, "");
        let mut ignore = |_: &_| true;
        let mut noise = Recorded::new(&case, Some("latents"));
        let request = request(noise.shape, &condition, false, &device, &mut ignore);
        let samples = sample_ode(&model, &levels, &options, &mut noise, request).unwrap();
        if model.finish() {
            case.check("samples", &Array::from_tensor(samples), &expected);
        }
    }
}

/// The few-step sampler of easy tuning, which adds back the noise of the whole level.
#[test]
fn golden_easy_tuning_sampler() {
    /// A model that the sampler takes to have no residual noise.
    struct WholeNoise<'a>(&'a dyn Denoiser);
    impl Denoiser for WholeNoise<'_> {
        fn denoise(
            &self,
            noisy: burn::tensor::Tensor<4>,
            sigma: &[f64],
            condition: &Condition,
        ) -> Result<burn::tensor::Tensor<4>, onestep::model::ModelError> {
            self.0.denoise(noisy, sigma, condition)
        }
        fn sigma_min(&self) -> f64 {
            0.0
        }
    }
    let Some(case) = golden::case("ect_sampling") else { return };
    let Some(model) = golden_model(&case, None, Preconditioning::Boundary) else { return };
    let device = crate::devices::device();
    let middle: Vec<f64> = serde_json::from_value(case.get("mid_t").clone()).expect("levels");
    let shape: [usize; 4] = case.array("latents").channels_last().shape.try_into().expect("four axes");
    let condition = condition(&case, "");
    let sample = |model: &dyn Denoiser, levels: Vec<f64>| {
        let levels = SamplingLevels::new(levels).unwrap();
        let mut ignore = |_: &_| true;
        let request = request(shape, &condition, false, &device, &mut ignore);
        let mut noise = Recorded::new(&case, Some("latents"));
        Array::from_tensor(sample_multistep(model, &levels, &mut noise, request).unwrap())
    };
    let first = case.number("t_max");
    let all = [&[first], &middle[..]].concat();
    let (one, two) = (case.array("one_step").channels_last(), case.array("two_step").channels_last());
    case.check("one step", &sample(&model, vec![first]), &one);
    case.check("two steps", &sample(&WholeNoise(&model), all), &two);
    // The second step starts from the first estimate with the noise of the whole level.
    let noise = case.numbered("noise", "").into_values().next().expect("noise").channels_last();
    let again = one.values.iter().zip(&noise.values).map(|(image, noise)| image + middle[0] * noise);
    let again = Array { shape: shape.to_vec(), values: again.collect() }.tensor(&device);
    let direct = model.denoise(again, &vec![middle[0]; shape[0]], &condition).unwrap();
    let direct = Array::from_tensor(direct);
    let first_two = vec![first, middle[0]];
    case.check("noise of the whole level", &sample(&WholeNoise(&model), first_two.clone()), &direct);
    // What the command draws: Algorithm 1 of the consistency-model paper, whose difference no picture shows.
    let ours = sample(&model, first_two);
    let apart = ours.values.iter().zip(&direct.values).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(apart < 1e-3, "{apart}");
}

/// Error of the end point of the ODE of one Gaussian against its closed form, in f64.
fn error_on_a_gaussian(method: OdeMethod, n_levels: usize) -> f64 {
    let device = crate::devices::device();
    let model = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
    let levels = SamplingLevels::karras(n_levels, 0.002, 80.0, 7.0).unwrap();
    let condition = Condition::default();
    let mut ignore = |_: &_| true;
    let options = OdeOptions { method, double: true, end: OdeEnd::LastLevel, ..OdeOptions::default() };
    let shape = [16, 1, 1, 2];
    let seeds: Vec<u64> = (0..16).collect();
    let end = sample_ode(
        &model,
        &levels,
        &options,
        &mut SeedNoise::new(&seeds),
        request(shape, &condition, false, &device, &mut ignore),
    )
    .unwrap();
    let start = SeedNoise::new(&seeds).standard_normal(16, 2);
    let start = burn::tensor::Tensor::<4>::from_data(burn::tensor::TensorData::new(start, shape), &device)
        .cast(burn::tensor::DType::F64)
        * 80.0;
    let exact = model.consistency_function(start, &[80.0; 16]).unwrap();
    Array::from_tensor(end - exact).values.iter().map(|e| e * e).sum::<f64>().sqrt()
}

/// Test the mathematics: a wrong coefficient anywhere shows as a wrong slope.
#[test]
fn solvers_converge_at_their_order() {
    for (method, order) in [(OdeMethod::Euler, 1.0), (OdeMethod::Heun, 2.0), (OdeMethod::Dpm2, 2.0)] {
        // Slope of log error over log steps by least squares.
        let points: Vec<(f64, f64)> = [32usize, 64, 128, 256]
            .into_iter()
            .map(|n| ((n as f64).ln(), error_on_a_gaussian(method, n + 1).ln()))
            .collect();
        let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
            / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
        println!("order | {method:?} | {:.3} |", -slope);
        assert!((-slope - order).abs() < 0.15, "{method:?} has order {:.3}", -slope);
    }
}

/// With the exact consistency function, one step lands where the ODE ends, and more steps stay on the data.
#[test]
fn the_exact_consistency_function_samples_its_gaussian() {
    struct Exact(GaussianMixture);
    impl Denoiser for Exact {
        fn denoise(
            &self,
            noisy: burn::tensor::Tensor<4>,
            sigma: &[f64],
            _: &Condition,
        ) -> Result<burn::tensor::Tensor<4>, onestep::model::ModelError> {
            Ok(self.0.consistency_function(noisy, sigma).unwrap())
        }
        fn sigma_min(&self) -> f64 {
            0.002
        }
    }
    let device = crate::devices::device();
    let n = 4000;
    let model = Exact(GaussianMixture::single(vec![0.3], 0.5, 0.002).unwrap());
    for levels in [vec![80.0], vec![80.0, 2.5], vec![80.0, 5.0, 1.0, 0.1]] {
        let condition = Condition::default();
        let mut ignore = |_: &_| true;
        let samples = sample_multistep(
            &model,
            &SamplingLevels::new(levels.clone()).unwrap(),
            &mut SeedNoise::new(&(0..n).collect::<Vec<_>>()),
            request([n as usize, 1, 1, 1], &condition, false, &device, &mut ignore),
        )
        .unwrap();
        let values = Array::from_tensor(samples).values;
        let mean = values.iter().sum::<f64>() / n as f64;
        let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        // Five standard errors of mean and deviation; the residual sigma_min adds 4e-6 to the variance.
        assert!((mean - 0.3).abs() < 5.0 * 0.5 / (n as f64).sqrt(), "{levels:?}: mean {mean}");
        assert!((std - 0.5).abs() < 5.0 * 0.5 / (2.0 * n as f64).sqrt(), "{levels:?}: deviation {std}");
    }
}

/// A seed's sample does not depend on its batch.
#[test]
fn a_seed_is_the_same_sample_in_every_batch() {
    let device = crate::devices::device();
    let model = GaussianMixture::single(vec![0.1, 0.2, 0.3], 0.4, 0.002).unwrap();
    let sample = |seeds: &[u64]| {
        let condition = Condition::default();
        let mut ignore = |_: &_| true;
        let levels = SamplingLevels::karras(8, 0.002, 80.0, 7.0).unwrap();
        let options = OdeOptions { method: OdeMethod::Ancestral, ..OdeOptions::default() };
        let shape = [seeds.len(), 1, 1, 3];
        let request = request(shape, &condition, false, &device, &mut ignore);
        Array::from_tensor(
            sample_ode(&model, &levels, &options, &mut SeedNoise::new(seeds), request).unwrap(),
        )
        .values
    };
    assert_eq!(sample(&[5]), sample(&[1, 5, 9])[3..6]);
}
