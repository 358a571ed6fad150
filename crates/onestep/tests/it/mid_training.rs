//! Consistency mid-training: its loss against golden numbers and closed forms, and its place in a run.

use burn::tensor::{Tensor, TensorData};
use onestep::model::{Condition, Denoiser, DropoutKey, GaussianMixture, ModelError, Preconditioning};
use onestep::noise::SamplingLevels;
use onestep::objective::{Batch, Distance, MidTraining, Weighting};
use onestep::solver::{Order, path};

use crate::golden::models::{check_loss_gradients, condition, golden_model};
use crate::golden::{self, Array, check, check_values};
use crate::objectives::loaded;

#[test]
fn golden_mid_training() {
    let Some(case) = golden::case("cmt_loss") else { return };
    let device = crate::devices::device();
    let model = |who, form| golden_model(&case, Some(who), form).expect("its weights");
    let (teacher, student) = (model("teacher", Preconditioning::Edm), model("student", Preconditioning::Edm));
    let image = |key: &str| case.array(key).channels_last().tensor::<4>(&device);
    let batch = Batch { clean: image("images"), noise: image("noise"), condition: condition(&case, "") };
    let n_values = batch.clean.dims()[1..].iter().product::<usize>() as f64;
    let (low, high) = (case.number("sigma_min"), case.number("sigma_max"));
    for (key, result) in case.json["results"].as_object().expect("results") {
        let k = result["k"].as_u64().expect("steps") as usize;
        let levels = SamplingLevels::log_uniform(k + 1, low, high).unwrap();
        let start = batch.clean.clone() + batch.noise.clone() * high;
        let states =
            path(&teacher, start, levels.as_slice(), Order::PublishedThird, &batch.condition).unwrap();
        let expected = case.array(&format!("k{k}.path"));
        let [atol, rtol] = [case.number("path_atol"), case.number("path_rtol")];
        for (index, state) in states.into_iter().enumerate() {
            let what = format!("{key} path {index}");
            check(
                &case.name,
                &what,
                &Array::from_tensor(state),
                &expected.row(index).channels_last(),
                atol,
                rtol,
            );
        }

        // Sums of squares there, means here.
        let (distance, scale) = match result["metric"].as_str() {
            Some("MSE") => (Distance::L2, n_values),
            Some("MAE") => (Distance::PseudoHuber { huber_c: Some(0.0) }, 1.0),
            other => panic!("{key}: metric {other:?}"),
        };
        let sigma_data = case.number("sigma_data");
        let objective = MidTraining {
            distance: loaded(distance),
            weighting: Weighting::Uniform,
            sigma_data,
            order: Order::PublishedThird,
        };
        let tracked = student.weights().tracked();
        let learning = student.with_weights(tracked.clone());
        let losses = objective.loss(&learning, &teacher, &batch, levels.as_slice()).unwrap() * scale;
        let got = Array::from_tensor(losses.clone().inner());
        case.check(&format!("{key} loss"), &got, case.array(&format!("{key}.loss")));
        let number = |name: &str| result[name].as_f64().unwrap_or_else(|| panic!("{key}: no `{name}`"));
        let mean = got.values.iter().sum::<f64>() / got.values.len() as f64;
        let rtol = case.number("rtol");
        check_values(&case.name, &format!("{key} mean"), &[mean], &[number("mean_loss")], |e| rtol * e.abs());
        let gradients = tracked.gradients(&mut losses.mean().backward());
        let norm = number("grad_norm");
        check_loss_gradients(&case, &format!("{key}.grad."), &student, gradients, norm, rtol);
    }
}

/// A student that jumps exactly where the ODE of its teacher ends.
struct Jumps(GaussianMixture);

impl Denoiser for Jumps {
    fn denoise(&self, noisy: Tensor<4>, sigma: &[f64], _: &Condition) -> Result<Tensor<4>, ModelError> {
        Ok(self.0.consistency_function(noisy, sigma).expect("one component"))
    }

    fn sigma_min(&self) -> f64 {
        self.0.sigma_min()
    }
}

/// The loss is zero at the consistency function, but for the error of the solver, which vanishes with its steps.
#[test]
fn the_consistency_function_has_no_loss() {
    let teacher = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
    let student = Jumps(teacher.clone());
    let tensor = |values: Vec<f32>| {
        Tensor::<4>::from_data(TensorData::new(values, [2, 1, 1, 2]), &crate::devices::device())
    };
    let batch = Batch {
        clean: tensor(vec![0.1, 0.2, -0.5, 0.4]),
        noise: tensor(vec![1.0, -0.5, 0.2, 0.8]),
        condition: Condition::default(),
    };
    let distance = loaded(Distance::L2);
    let objective =
        MidTraining { distance, weighting: Weighting::Uniform, sigma_data: 0.5, order: Order::Third };
    let largest = |k: usize| {
        let levels = SamplingLevels::log_uniform(k + 1, 0.002, 80.0).unwrap();
        let losses = objective.loss(&student, &teacher, &batch, levels.as_slice()).unwrap();
        assert_eq!(losses.dims(), [2 * k]);
        Array::from_tensor(losses).values.into_iter().fold(0.0, f64::max)
    };
    let (few, many) = (largest(16), largest(256));
    assert!(few < 1e-2 && many < 1e-6 && many < few / 100.0, "{few:e}, {many:e}");
}

/// Copies of a sample have its labels, and dropout masks of their own.
#[test]
fn a_repeated_condition_drops_out_by_itself() {
    let condition = Condition {
        labels: Some(vec![Some(3), None]),
        guidance: Some(vec![1.5, 4.0]),
        augment: Some(vec![vec![0.5], vec![0.25]]),
        dropout: Some(DropoutKey { seed: 7, step: 2, samples: vec![40, 41] }),
    };
    let three = condition.repeated(3);
    assert_eq!(three.labels, Some([Some(3), None].repeat(3)));
    assert_eq!(three.guidance, Some([1.5, 4.0].repeat(3)));
    assert_eq!(three.augment.as_ref().map(Vec::len), Some(6));
    assert_eq!(
        three.dropout.as_ref().map(|key| key.samples.clone()),
        Some(vec![120, 123, 121, 124, 122, 125])
    );
    // However a batch is cut, a copy has the same number.
    let second = condition.select(1..2).repeated(3);
    assert_eq!(second.dropout.map(|key| key.samples), Some(vec![123, 124, 125]));
}
