//! Golden networks as models, and their numbers in the layout of the golden files.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use onestep::interop;
use onestep::model::{
    Architecture, Condition, Denoiser, NoiseRange, Preconditioned, Preconditioning, Weights,
};

use super::gradients::{USUAL_RULE, check_gradients};
use super::recorded::Answers;
use super::{Array, Case, arrays, case, check_values};
use crate::devices::device;
use crate::networks::settings;

/// The network that `user` names, for the noise it states; none, with a word about it, if the set lacks it.
///
/// `who` chooses among several sets of weights, of which the set may hold some.
pub fn golden_model(
    user: &Case,
    who: Option<&str>,
    preconditioning: Preconditioning,
) -> Option<Preconditioned> {
    let name = user.json["network"].as_str().unwrap_or(&user.name);
    let case = case(name)?;
    let file = match who {
        Some(who) => format!("{name}.{who}.weights.safetensors"),
        None => case.weights_file(),
    };
    let Some(arrays) = arrays(&file) else {
        assert!(who.is_some(), "{name}.json is there without {file}");
        return None;
    };
    let architecture = architecture(&case.json["config"]);
    let network = architecture.build().unwrap();
    let named = arrays.into_iter().map(|(name, array)| (name, (array.shape.clone(), array.f32()))).collect();
    let named = interop::from_torch(&architecture, named).unwrap();
    let weights = Weights::from_named(network.parameters(), named, &device()).unwrap();
    let usual = NoiseRange::default();
    let setting = |key, usual| user.noise_setting(key).or(case.noise_setting(key)).unwrap_or(usual);
    let range = NoiseRange {
        sigma_min: setting("sigma_min", usual.sigma_min),
        sigma_max: setting("sigma_max", usual.sigma_max),
        sigma_data: setting("sigma_data", usual.sigma_data),
    };
    Some(Preconditioned::new(network, weights, preconditioning, range))
}

/// One who takes part in a loss without being trained: a model, or what it was asked and answered.
pub fn taking_part<'a>(
    case: &'a Case,
    who: &'a str,
    preconditioning: Preconditioning,
) -> Box<dyn Denoiser + 'a> {
    match golden_model(case, Some(who), preconditioning) {
        Some(model) => Box::new(model),
        None => Box::new(Answers::of(case, who)),
    }
}

/// What the case tells the network: classes, as `y` or as rows with a one, and augmentation labels, where it has them.
pub fn condition(case: &Case, prefix: &str) -> Condition {
    let find = |key: &str| case.find(&format!("{prefix}{key}"));
    Condition {
        labels: find("y")
            .map(|classes| classes.indices().into_iter().map(Some).collect())
            .or(find("class_labels").map(settings::classes)),
        augment: find("augment_labels").map(settings::rows),
        ..Condition::default()
    }
}

/// The networks of EDM's code base name their type, OpenAI's do not.
pub fn architecture(config: &serde_json::Value) -> Architecture {
    if config.get("model_type").is_some() { settings::edm(config) } else { settings::adm(config) }
}

/// One flat tensor for each parameter of a golden network, by the name and in the layout of the golden files.
pub fn to_golden_layout(
    user: &Case,
    model: &Preconditioned,
    values: Vec<Tensor<1>>,
) -> BTreeMap<String, Array> {
    let architecture = architecture(&case(user.text("network")).expect("seen before").json["config"]);
    let named = model
        .weights()
        .specs()
        .iter()
        .zip(values)
        .map(|(spec, value)| (spec.name.clone(), (spec.shape.clone(), Array::from_tensor(value).f32())))
        .collect();
    interop::to_torch(&architecture, named)
        .unwrap()
        .into_iter()
        // Constants that the file format carries; they have no gradient.
        .filter(|(name, _)| !name.ends_with("resample_filter"))
        .map(|(name, (shape, values))| {
            (name, Array { shape, values: values.into_iter().map(f64::from).collect() })
        })
        .collect()
}

/// Compares the norm of the whole gradient, and the gradients that the case lists as `prefix` and parameter.
pub fn check_loss_gradients(
    case: &Case,
    prefix: &str,
    model: &Preconditioned,
    gradients: Vec<Tensor<1>>,
    norm: f64,
    norm_rtol: f64,
) {
    let named = to_golden_layout(case, model, gradients);
    let what = prefix.trim_end_matches('.');
    let got = named.values().flat_map(|a| &a.values).map(|g| g * g).sum::<f64>().sqrt();
    check_values(&case.name, &format!("{what} norm"), &[got], &[norm], |e| norm_rtol * e.abs());
    let rule = case.json["grad_compare"].as_str().unwrap_or(USUAL_RULE);
    let variable = |name: &str| match name {
        "grad_norm" => norm,
        other => case.number(other),
    };
    let listed = case.arrays().iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?, array)));
    check_gradients(case, what, rule, variable, &named, listed);
}
