//! DPM-Solver++ against golden numbers, closed forms and the other solvers.

use burn::tensor::{DType, Device, Tensor, TensorData};
use onestep::model::{Condition, Denoiser, GaussianMixture, ModelError, Preconditioning, per_sample};
use onestep::noise::{NoiseSource, SamplingLevels, SeedNoise};
use onestep::sample::{OdeEnd, OdeMethod, OdeOptions, Request, sample_ode};
use onestep::solver::{DpmPlusPlus, Order, Solver, path};

use crate::golden::models::{condition, golden_model};
use crate::golden::{self, Array, Case, check};

/// The orders as the reference has them.
const ORDERS: [Order; 3] = [Order::First, Order::Second, Order::PublishedThird];

/// The mean of images whose values are independent Gaussians, each with a mean and deviation of its own.
struct Gaussian {
    mean: Tensor<4>,
    variance: Tensor<4>,
}

impl Denoiser for Gaussian {
    fn denoise(&self, noisy: Tensor<4>, sigma: &[f64], _: &Condition) -> Result<Tensor<4>, ModelError> {
        let square = per_sample(sigma.iter().map(|sigma| sigma * sigma), &noisy);
        let numerator = noisy * self.variance.clone() + square.clone() * self.mean.clone();
        Ok(numerator / (self.variance.clone() + square))
    }

    fn sigma_min(&self) -> f64 {
        0.002
    }
}

/// Compares the states that the case has of a path; entry j of `key` is the state after j steps.
fn check_states(case: &Case, key: &str, states: &[Tensor<4>], [atol, rtol]: [&str; 2]) {
    let expected = case.array(key);
    assert_eq!(expected.shape[0], states.len(), "{key}: states");
    let [atol, rtol] = [case.number(atol), case.number(rtol)];
    for (index, state) in states.iter().enumerate() {
        let (got, what) = (Array::from_tensor(state.clone()), format!("{key} {index}"));
        check(&case.name, &what, &got, &expected.row(index).channels_last(), atol, rtol);
    }
}

#[test]
fn golden_dpm_solver() {
    let Some(case) = golden::case("dpm_solver") else { return };
    let device = Device::flex();
    let one = |key: &str| {
        let array = case.array(key);
        let shape = [&[1], array.shape.as_slice()].concat();
        Array { shape, values: array.values.clone() }.channels_last().tensor_f64::<4>(&device)
    };
    let std = one("gaussian.std");
    let gaussian = Gaussian { mean: one("gaussian.mean"), variance: std.clone() * std };
    let model = golden_model(&case, None, Preconditioning::Edm).expect("its network");
    let (low, high, rho) = (case.number("sigma_min"), case.number("sigma_max"), case.number("rho"));
    let condition = condition(&case, "");
    for run in case.blocks("runs") {
        let (key, k) = (run["key"].as_str().expect("a key"), run["k"].as_u64().expect("steps") as usize);
        let levels = match run["grid"].as_str() {
            Some("log") => SamplingLevels::log_uniform(k + 1, low, high).unwrap(),
            Some("karras") => SamplingLevels::karras(k + 1, low, high, rho).unwrap(),
            other => panic!("{key}: grid {other:?}"),
        };
        let order = ORDERS[run["order"].as_u64().expect("an order") as usize - 1];
        let follow = |model: &dyn Denoiser, start: Tensor<4>| {
            path(model, start * high, levels.as_slice(), order, &condition).unwrap()
        };
        let states = follow(&gaussian, case.array("gaussian.latents").channels_last().tensor_f64(&device));
        check_states(&case, &format!("{key}.gaussian.x"), &states, ["gaussian_atol", "gaussian_rtol"]);
        if case.find(&format!("{key}.x")).is_some() {
            let states = follow(&model, case.array("latents").channels_last().tensor(&device));
            check_states(&case, &format!("{key}.x"), &states, ["atol", "rtol"]);
        } else {
            println!("golden | dpm_solver | {key} on the network absent from this set |");
        }
    }
}

const SHAPE: [usize; 4] = [16, 1, 1, 2];

/// Unit normals in f64.
fn latents() -> Tensor<4> {
    let values = SeedNoise::new(&Vec::from_iter(0..16)).standard_normal(16, 2);
    Tensor::<4>::from_data(TensorData::new(values, SHAPE), &Device::flex()).cast(DType::F64)
}

fn norm(difference: Tensor<4>) -> f64 {
    Array::from_tensor(difference).values.iter().map(|e| e * e).sum::<f64>().sqrt()
}

/// Slope of log error over log steps by least squares.
fn measured_order(error: impl Fn(usize) -> f64) -> f64 {
    let points = [32usize, 64, 128, 256].map(|n| ((n as f64).ln(), error(n).ln()));
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    -points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// A Gaussian, where its ODE leads from a level to another, and points to start from.
struct OneGaussian {
    model: GaussianMixture,
    mean: Tensor<4>,
    high: f64,
    start: Tensor<4>,
}

impl OneGaussian {
    fn from(high: f64) -> Self {
        let mean = Tensor::<4>::from_data(TensorData::new(vec![0.3, -0.2], [1, 1, 1, 2]), &Device::flex());
        let mean = mean.cast(DType::F64);
        let model = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
        Self { model, high, start: latents() * high + mean.clone(), mean }
    }

    /// A point keeps its place among its like: (x - m)/√(s² + σ²) stays.
    fn at(&self, sigma: f64) -> Tensor<4> {
        let shrink = ((0.25 + sigma * sigma) / (0.25 + self.high * self.high)).sqrt();
        (self.start.clone() - self.mean.clone()) * shrink + self.mean.clone()
    }

    /// The error at the end of `n` steps down to `low`. The first `exact` of them begin on the exact path, and the last steps are
    /// of full order where any are exact.
    fn error(&self, low: f64, n: usize, order: Order, exact: usize) -> f64 {
        let levels = SamplingLevels::log_uniform(n + 1, low, self.high).unwrap();
        let mut solver = DpmPlusPlus::new(order);
        let mut state = self.start.clone();
        for (index, pair) in levels.as_slice().windows(2).enumerate() {
            if index < exact {
                state = self.at(pair[0]);
            }
            let remaining = if exact > 0 { n } else { n - index };
            let levels = [pair[0], pair[1]];
            state = solver.step(&self.model, state, levels, remaining, &Condition::default()).unwrap().state;
        }
        norm(state - self.at(low))
    }
}

/// Test the mathematics: with a past that is exact, and without the lower orders of the ends, a wrong coefficient anywhere shows
/// as a wrong slope. So does the half bend of the published third order.
#[test]
fn dpm_solver_converges_at_its_order() {
    let gaussian = OneGaussian::from(5.0);
    let orders =
        [(Order::First, 1.0), (Order::Second, 2.0), (Order::Third, 3.0), (Order::PublishedThird, 2.0)];
    for (order, expected) in orders {
        let found = measured_order(|n| gaussian.error(0.1, n, order, 3));
        println!("order | DPM-Solver++ {order:?} | {found:.3} |");
        assert!((found - expected).abs() < 0.2, "{order:?} has order {found:.3}");
    }
}

/// From noise to data, where the estimate hardly changes at either end, the lower orders of the first and last steps cost nothing.
#[test]
fn whole_paths_converge_at_third_order() {
    let gaussian = OneGaussian::from(80.0);
    let found = measured_order(|n| gaussian.error(0.002, n, Order::Third, 0));
    println!("order | DPM-Solver++ from 80 to 0.002 | {found:.3} |");
    assert!(found > 2.8, "{found:.3}");
    let [own, published] =
        [Order::Third, Order::PublishedThird].map(|order| gaussian.error(0.002, 32, order, 0));
    assert!(own < published / 4.0, "{own:e} against {published:e} in 32 steps");
}

/// One step of the single form has order 2, and none of it is lost towards σ = 0.
#[test]
fn single_steps_converge_at_second_order() {
    let model = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
    let (low, high) = (0.1, 5.0);
    let none = Condition::default();
    let follow = |state: Tensor<4>, n: usize| {
        let levels = SamplingLevels::log_uniform(n + 1, low, high).unwrap();
        levels.as_slice().windows(2).fold(state, |state, pair| {
            Solver::DpmPlusPlus.step(&model, state, &[pair[0]; 16], &[pair[1]; 16], &none).unwrap().state
        })
    };
    let start = latents() * high;
    let fine = follow(start.clone(), 4096);
    let found = measured_order(|n| norm(follow(start.clone(), n) - fine.clone()));
    assert!((found - 2.0).abs() < 0.15, "{found:.3}");
    let landed = Solver::DpmPlusPlus.step(&model, start.clone(), &[high; 16], &[0.0; 16], &none).unwrap();
    let estimate = model.denoise(start, &[high; 16], &none).unwrap();
    assert!(norm(landed.state - estimate) < 1e-12);
}

fn sampled(method: OdeMethod, n_levels: usize) -> Tensor<4> {
    let model = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
    let (condition, device) = (Condition::default(), Device::flex());
    let levels = SamplingLevels::karras(n_levels, 0.002, 80.0, 7.0).unwrap();
    let options = OdeOptions { method, double: true, end: OdeEnd::Zero, ..OdeOptions::default() };
    assert!(!matches!(method, OdeMethod::DpmPlusPlus(_)) || options.nfe(n_levels) == n_levels);
    let request = Request {
        shape: SHAPE,
        condition: &condition,
        clamp: false,
        device: &device,
        on_estimate: &mut |_| true,
    };
    sample_ode(&model, &levels, &options, &mut SeedNoise::new(&Vec::from_iter(0..16)), request).unwrap()
}

#[test]
fn the_first_order_is_eulers_method() {
    let difference = sampled(OdeMethod::DpmPlusPlus(Order::First), 9) - sampled(OdeMethod::Euler, 9);
    assert!(norm(difference) < 1e-12);
}

/// What it is for: with as many evaluations it lands nearer to where the ODE ends than Heun's method.
#[test]
fn fewer_evaluations_than_heuns_method() {
    let end = sampled(OdeMethod::Heun, 2000);
    let error = |method, n_levels| norm(sampled(method, n_levels) - end.clone());
    let heun = error(OdeMethod::Heun, 10);
    for order in [Order::Second, Order::Third] {
        let own = error(OdeMethod::DpmPlusPlus(order), 19);
        assert!(own < heun, "{order:?}: {own:e} against {heun:e} in 19 evaluations");
    }
}

/// A solver that is cleared is as good as a new one.
#[test]
fn a_path_leaves_nothing_to_the_next() {
    let model = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
    let mut solver = DpmPlusPlus::new(Order::Third);
    let mut follow = || {
        let mut state = latents() * 80.0;
        for (index, pair) in [80.0, 20.0, 5.0, 1.0, 0.2].windows(2).enumerate() {
            state = solver
                .step(&model, state, [pair[0], pair[1]], 4 - index, &Condition::default())
                .unwrap()
                .state;
        }
        solver.clear();
        state
    };
    assert!(norm(follow() - follow()) == 0.0);
}
