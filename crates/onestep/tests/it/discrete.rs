//! Networks of discrete steps, VP and VE, against a Gaussian whose noise is known exactly.

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::model::network::{Dual, NoiseCode};
use onestep::model::{
    Answer, Between, Condition, Denoiser, Discrete, GaussianMixture, ModelError, Network, NoiseRange,
    ParameterSpec, Preconditioned, Preconditioning, TrigFlow, VariancePreserving, Weights,
};
use onestep::noise::{Betas, DiscreteSchedule, Purpose, SamplingLevels, Stream, sigma_from_trig};
use onestep::sample::{OdeOptions, Request, sample_ode};

use crate::golden::Array;
use crate::samplers::Recorded;

const STD: f64 = 0.4;
const MEAN: [f64; 4] = [0.3, -0.2, 0.1, 0.0];

fn gaussian() -> GaussianMixture {
    GaussianMixture::single(MEAN.to_vec(), STD, 1e-9).unwrap()
}

/// The network of a form that knows the Gaussian: it finds the level from the code that it is told.
#[derive(Debug)]
struct Knowing {
    specs: Arc<[ParameterSpec]>,
    form: Preconditioning,
}

impl Knowing {
    fn sigma(&self, code: f64) -> f64 {
        match self.form {
            Preconditioning::Discrete(discrete) => {
                let levels: Vec<f64> = discrete.schedule.sigmas().collect();
                let (step, share) = (code.floor() as usize, code.fract());
                let next = levels[(step + 1).min(levels.len() - 1)];
                levels[step].powf(1.0 - share) * next.powf(share)
            }
            Preconditioning::VariancePreserving(noise) => noise.sigma(code / f64::from(noise.steps - 1)),
            Preconditioning::VarianceExploding => 2.0 * code.exp(),
            other => panic!("{other:?}"),
        }
    }

    fn model(form: Preconditioning) -> Preconditioned {
        let network = Arc::new(Self { specs: Arc::new([]), form });
        let weights = Weights::from_values(network.parameters(), Vec::new());
        Preconditioned::new(network, weights, form, NoiseRange::default())
    }
}

impl Network for Knowing {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }
    fn image(&self) -> [usize; 3] {
        [1, 1, 4]
    }
    fn n_classes(&self) -> Option<usize> {
        None
    }
    fn evaluate(
        &self,
        _: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        let levels: Vec<f64> = code.values.iter().map(|&code| self.sigma(code)).collect();
        let column = |of: &dyn Fn(f64) -> f64| {
            let values: Vec<f64> = levels.iter().map(|&sigma| of(sigma)).collect();
            Tensor::<4>::from_data(TensorData::new(values, [levels.len(), 1, 1, 1]), &Device::flex())
        };
        let grown = |sigma: f64| (sigma.powi(2) + 1.0).sqrt();
        let noisy = match self.form {
            Preconditioning::VarianceExploding => input.value,
            _ => input.value * column(&grown),
        };
        let clean = gaussian().denoise(noisy.clone(), &levels, condition)?;
        let noise = (noisy - clean.clone()) / column(&|sigma| sigma);
        let answer = match self.form {
            Preconditioning::Discrete(Discrete { answer: Answer::Clean, .. }) => clean,
            Preconditioning::Discrete(Discrete { answer: Answer::Velocity, .. }) => {
                noise / column(&grown) - clean * column(&|sigma| sigma / grown(sigma))
            }
            Preconditioning::VarianceExploding => -noise,
            _ => noise,
        };
        Ok(answer.into())
    }
}

fn schedules() -> [DiscreteSchedule; 3] {
    [
        (Betas::Linear { start: 1e-4, end: 0.02 }, 1000),
        (Betas::ScaledLinear { start: 0.00085, end: 0.012 }, 1000),
        (Betas::Cosine, 400),
    ]
    .map(|(betas, steps)| DiscreteSchedule::new(betas, steps).unwrap())
}

fn forms() -> Vec<Preconditioning> {
    let answers = [Answer::Noise, Answer::Velocity, Answer::Clean];
    let discrete = |schedule| {
        answers.map(|answer| {
            Preconditioning::Discrete(Discrete { answer, schedule, between: Between::Interpolated })
        })
    };
    let vp = VariancePreserving { beta_d: 19.9, beta_min: 0.1, steps: 1000 };
    let others = [Preconditioning::VariancePreserving(vp), Preconditioning::VarianceExploding];
    schedules().into_iter().flat_map(discrete).chain(others).collect()
}

fn noise(n: usize) -> Tensor<4> {
    let values = Stream::new(3, Purpose::Test, 0, 0).standard_normal(4 * n);
    Tensor::from_data(TensorData::new(values, [n, 1, 1, 4]), &Device::flex())
}

fn worst(a: Tensor<4>, b: Tensor<4>) -> f64 {
    let (a, b) = (Array::from_tensor(a).values, Array::from_tensor(b).values);
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn denoisers_of_exact_networks_are_exact_at_and_between_the_steps() {
    // Inside of all schedules.
    let levels = [0.04, 0.0734, 0.5, 1.0, 3.3, 14.0];
    for form in forms() {
        let scale = Tensor::<4>::from_data(TensorData::new(levels.to_vec(), [6, 1, 1, 1]), &Device::flex());
        let noisy = noise(6) * (scale + 0.5);
        let got = Knowing::model(form).denoise(noisy.clone(), &levels, &Condition::default()).unwrap();
        let expected = gaussian().denoise(noisy, &levels, &Condition::default()).unwrap();
        let error = worst(got, expected);
        assert!(error < 2e-5, "{form:?}: {error:e}");
    }
}

#[test]
fn samplers_follow_the_path_of_the_gaussian() {
    let device = Device::flex();
    let start = noise(5);
    let sampled = |model: &dyn Denoiser| {
        let levels = SamplingLevels::karras(60, 0.04, 14.0, 7.0).unwrap();
        let mut source = Recorded::of(vec![Array::from_tensor(start.clone())]);
        let request = Request {
            shape: [5, 1, 1, 4],
            condition: &Condition::default(),
            clamp: false,
            device: &device,
            on_estimate: &mut |_| true,
        };
        sample_ode(model, &levels, &OdeOptions::default(), &mut source, request).unwrap()
    };
    let exact = sampled(&gaussian());
    let end = gaussian().consistency_function(start.clone() * 14.0, &[14.0; 5]).unwrap();
    // The last step, from 0.04 to 0, is one of first order.
    assert!(worst(exact.clone(), end) < 5e-3);
    for form in forms() {
        let error = worst(sampled(&Knowing::model(form)), exact.clone());
        assert!(error < 2e-5, "{form:?}: {error:e}");
    }
}

#[test]
fn velocities_of_trigflow_are_those_of_the_estimates() {
    let angles = [0.1, 0.8, FRAC_PI_2 - 0.05];
    for form in forms() {
        let model = Knowing::model(form);
        let noisy = noise(3) * 0.5;
        let velocity = model.velocity(noisy.clone(), &angles, &Condition::default()).unwrap();
        let column = |of: fn(f64) -> f64| {
            let values: Vec<f64> = angles.iter().map(|&angle| of(angle)).collect();
            Tensor::<4>::from_data(TensorData::new(values, [3, 1, 1, 1]), &Device::flex())
        };
        let levels = angles.map(|angle| sigma_from_trig(angle, 0.5));
        let clean =
            gaussian().denoise(noisy.clone() / column(f64::cos), &levels, &Condition::default()).unwrap();
        // f(x, t) = cos t·x - sin t·v.
        let error = worst(noisy * column(f64::cos) - velocity * column(f64::sin), clean);
        assert!(error < 1e-4, "{form:?}: {error:e}");
        let along = model.velocity_along(noise(3), noise(3), &angles, &Condition::default());
        assert!(matches!(along, Err(ModelError::NoVelocity)));
    }
}

#[test]
fn the_nearest_step_is_told_where_that_is_asked_for() {
    let schedule = schedules()[2];
    let levels: Vec<f64> = schedule.sigmas().collect();
    let told = |between, sigma| {
        let form = Discrete { answer: Answer::Noise, schedule, between };
        Preconditioning::Discrete(form).coefficients(sigma, 0.0, 0.5).c_noise
    };
    let sigma = 0.7 * levels[100] + 0.3 * levels[101];
    assert_eq!(told(Between::Nearest, sigma), 100.0);
    let between = told(Between::Interpolated, sigma);
    assert!((100.29..100.32).contains(&between), "{between}");
    for between in [Between::Nearest, Between::Interpolated] {
        assert_eq!(told(between, 0.1 * levels[0]), 0.0);
        assert_eq!(told(between, 2.0 * levels[399]), 399.0);
    }
    // Steps of iDDPMPrecond of NVlabs/edm, whose recursion runs from the clean end.
    let kept = |j: usize| (FRAC_PI_2 * j as f64 / 400.0 / 1.008).sin().powi(2);
    let mut level = 0.0_f64;
    for (step, there) in levels.iter().enumerate() {
        let ratio = (kept(400 - step - 1) / kept(400 - step)).max(0.001);
        level = ((level.powi(2) + 1.0) / ratio - 1.0).sqrt();
        assert!((there / level - 1.0).abs() < 1e-9, "step {step}");
    }
}

#[test]
fn forms_are_written_in_few_words_and_older_ones_as_before() {
    let written = |form| serde_json::to_string(&form).unwrap();
    assert_eq!(written(Preconditioning::Boundary), "\"boundary\"");
    assert_eq!(written(Preconditioning::TrigEdm), "\"trig-edm\"");
    assert_eq!(
        written(forms()[0]),
        r#"{"discrete":{"answer":"noise","schedule":{"betas":{"kind":"linear","start":0.0001,"end":0.02},"steps":1000},"between":"interpolated"}}"#
    );
    for form in forms() {
        assert_eq!(serde_json::from_str::<Preconditioning>(&written(form)).unwrap(), form);
    }
    // Numbers that would take for ever, or are none.
    for schedule in [
        r#"{"betas":{"kind":"cosine"},"steps":99999999999}"#,
        r#"{"betas":{"kind":"cosine"},"steps":1}"#,
        r#"{"betas":{"kind":"linear","start":0.0,"end":0.02},"steps":1000}"#,
        r#"{"betas":{"kind":"linear","start":0.1,"end":1.0},"steps":1000}"#,
    ] {
        assert!(serde_json::from_str::<DiscreteSchedule>(schedule).is_err(), "{schedule}");
    }
}
