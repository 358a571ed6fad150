//! The networks against the numbers of the original implementations, and against their own promises.

mod exchange;
mod gradients;
mod promises;
mod refusals;
pub mod settings;
pub mod small;
mod tangents;
mod turned;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Tensor;
use onestep::interop;
use onestep::model::{Architecture, Condition, Network, Weights};

use crate::devices::device;
use crate::golden::models::condition;
use crate::golden::{self, Array, Case};

/// A network of the golden set with its weights.
struct Subject {
    architecture: Architecture,
    network: Arc<dyn Network>,
    weights: Weights,
}

impl Subject {
    fn load(case: &Case, architecture: Architecture) -> Self {
        let network = architecture.build().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let file = case.weights_file();
        let arrays = golden::arrays(&file).unwrap_or_else(|| panic!("{}: no {file}", case.name));
        let named = interop::from_torch(&architecture, named(arrays)).expect("weights of this architecture");
        let weights = Weights::from_named(network.parameters(), named, &device()).expect("finite weights");
        assert_eq!(weights.n_parameters() as f64, case.number("num_parameters"));
        Self { architecture, network, weights }
    }
}

fn named(arrays: BTreeMap<String, Array>) -> interop::NamedArrays {
    arrays.into_iter().map(|(name, array)| (name, (array.shape.clone(), array.f32()))).collect()
}

/// Compares the gradients of mean(weighting * output), for every parameter and the input.
///
/// `output_of` maps the input to the quantity whose gradients the case holds.
fn check_gradients(case: &Case, subject: &Subject, output_of: impl Fn(&Weights, Tensor<4>) -> Tensor<4>) {
    let Some(gradient) = case.json.get("gradient") else { return };
    let file = gradient["file"].as_str().expect("name of the gradient file");
    let mut expected = golden::arrays(file).unwrap_or_else(|| panic!("{}: no {file}", case.name));
    let weights = subject.weights.tracked();
    let input = case.array("x").channels_last().tensor::<4>(&device()).autodiff().require_grad();
    let weighting = case.array("grad_weighting").channels_last().tensor::<4>(&device());
    let loss = (output_of(&weights, input.clone()) * weighting).mean();
    let mut gradients = loss.backward();

    let input_gradient = input.grad(&gradients).expect("the output depends on the input");
    let got: interop::NamedArrays = weights
        .specs()
        .iter()
        .zip(weights.gradients(&mut gradients))
        .map(|(spec, gradient)| (spec.name.clone(), (spec.shape.clone(), Array::from_tensor(gradient).f32())))
        .collect();
    // A gradient has the layout of its parameter, so it travels the same way.
    let mut got: BTreeMap<String, Array> = interop::to_torch(&subject.architecture, got)
        .expect("one gradient for each parameter")
        .into_iter()
        .map(|(name, (shape, values))| {
            (name, Array { shape, values: values.into_iter().map(f64::from).collect() })
        })
        .collect();
    if let Some(expected_input) = case.find("grad_x") {
        got.insert("the input".into(), Array::from_tensor(input_gradient));
        expected.insert("the input".into(), expected_input.channels_last());
    }
    let rule = gradient["compare"].as_str().expect("how gradients are compared");
    let variable =
        |name: &str| gradient[name].as_f64().unwrap_or_else(|| panic!("{}: no `{name}`", case.name));
    let expected = expected.iter().map(|(name, array)| (name.as_str(), array));
    golden::check_gradients(case, "whole network", rule, variable, &got, expected);
}

fn check_adm(name: &str) {
    let Some(case) = golden::case(name) else { return };
    let subject = Subject::load(&case, settings::adm(case.get("config")));
    // The case gives 250·ln σ, our noise code is ln σ / 4.
    let codes: Vec<f64> = case.array("timesteps").values.iter().map(|time| time / 1000.0).collect();
    let condition = condition(&case, "");
    let run =
        |weights: &Weights, input| subject.network.forward(weights, input, &codes, &condition).expect(name);

    let input = case.array("x").channels_last().tensor::<4>(&device());
    let output = Array::from_tensor(run(&subject.weights, input));
    case.check("output", &output, &case.array("output").channels_last());
    case.check("output against f64", &output, &case.array("output_f64").channels_last());
    check_gradients(&case, &subject, run);
}

/// EDM's preconditioning, written out once more for the test.
struct Preconditioning {
    sigma: Vec<f64>,
    sigma_data: f64,
}

impl Preconditioning {
    fn column(&self, of: impl Fn(f64, f64) -> f64) -> Tensor<4> {
        let values: Vec<f64> = self.sigma.iter().map(|&sigma| of(sigma, self.sigma_data)).collect();
        Array { shape: vec![values.len(), 1, 1, 1], values }.tensor(&device())
    }

    fn input(&self, noisy: Tensor<4>) -> Tensor<4> {
        noisy * self.column(|sigma, data| 1.0 / sigma.hypot(data))
    }

    fn denoised(&self, noisy: Tensor<4>, raw: Tensor<4>) -> Tensor<4> {
        let c_skip = self.column(|sigma, data| data * data / (sigma * sigma + data * data));
        let c_out = self.column(|sigma, data| sigma * data / sigma.hypot(data));
        noisy * c_skip + raw * c_out
    }

    fn codes(&self) -> Vec<f64> {
        self.sigma.iter().map(|sigma| sigma.ln() / 4.0).collect()
    }
}

fn check_edm(name: &str) {
    let Some(case) = golden::case(name) else { return };
    let subject = Subject::load(&case, settings::edm(case.get("config")));
    let edm =
        Preconditioning { sigma: case.array("sigma").values.clone(), sigma_data: case.number("sigma_data") };
    let condition = condition(&case, "");
    let raw = |weights: &Weights, noisy: Tensor<4>, condition: &Condition| {
        subject.network.forward(weights, edm.input(noisy), &edm.codes(), condition).expect(name)
    };
    let denoised = |weights: &Weights, noisy: Tensor<4>| {
        let output = raw(weights, noisy.clone(), &condition);
        edm.denoised(noisy, output)
    };

    let noisy = case.array("x").channels_last().tensor::<4>(&device());
    let got = Array::from_tensor(raw(&subject.weights, noisy.clone(), &condition));
    case.check("raw output", &got, &case.array("raw_network_output").channels_last());
    let got = Array::from_tensor(denoised(&subject.weights, noisy.clone()));
    case.check("denoised", &got, &case.array("denoised").channels_last());
    case.check("denoised against f64", &got, &case.array("denoised_f64").channels_last());
    if let Some(expected) = case.find("denoised_without_augment_labels") {
        let plain = Condition { augment: None, ..condition.clone() };
        let got = edm.denoised(noisy.clone(), raw(&subject.weights, noisy.clone(), &plain));
        let got = Array::from_tensor(got);
        case.check("without augmentation labels", &got, &expected.channels_last());
        if let Some(expected) = case.find("denoised_without_augment_labels_f64") {
            case.check("without augmentation labels against f64", &got, &expected.channels_last());
        }
    }
    let row_1 = condition.labels.clone().map(|labels| {
        labels.into_iter().enumerate().map(|(row, label)| label.filter(|_| row != 1)).collect()
    });
    for (key, labels) in [("denoised_without_class_labels", None), ("denoised_row1_without_class", row_1)] {
        for key in [key.to_owned(), format!("{key}_f64")] {
            let Some(expected) = case.find(&key) else { continue };
            let other = Condition { labels: labels.clone(), augment: None, ..condition.clone() };
            let got = edm.denoised(noisy.clone(), raw(&subject.weights, noisy.clone(), &other));
            case.check(&key, &Array::from_tensor(got), &expected.channels_last());
        }
    }
    check_gradients(&case, &subject, denoised);
}

#[test]
fn golden_adm_unet_a() {
    check_adm("adm_unet_a");
}

#[test]
fn golden_adm_unet_b() {
    check_adm("adm_unet_b");
}

#[test]
fn golden_adm_unet_c() {
    check_adm("adm_unet_c");
}

#[test]
fn golden_adm_unet_d() {
    check_adm("adm_unet_d");
}

#[test]
fn golden_edm_ddpmpp() {
    check_edm("edm_ddpmpp");
}

#[test]
fn golden_edm_cond() {
    check_edm("edm_cond");
}

#[test]
fn golden_edm_ncsnpp() {
    check_edm("edm_ncsnpp");
}

#[test]
fn golden_edm_skip() {
    check_edm("edm_skip");
}

#[test]
fn golden_edm_adm() {
    check_edm("edm_adm");
}
