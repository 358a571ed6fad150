//! `onestep bench`: what it counts, what it writes, what it refuses. How fast anything is, no test asks.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::checkpoint::{Which, load_model};
use onestep::model::{Condition, Denoiser, NoiseRange, Precision, Preconditioned};
use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempDir;

use crate::{expect, onestep, stderr, stdout};

/// A small network of every kind of layer.
const SMALL: &[&str] =
    &["bench", "emoji", "--set", "network.model_channels=16", "--batch", "3", "--seconds", "0"];

fn bench(folder: &Path, more: &[&str]) -> String {
    let output = onestep(folder, &[SMALL, more].concat());
    expect(&output, 0);
    stdout(&output)
}

/// Multiply-adds of one evaluation, from the shapes of the weights and the sizes of feature maps in their names.
fn multiply_adds(model: &Path, batch: usize) -> usize {
    let file = load_model(model, &Which::Best).expect("the model that was written");
    let products = file.arrays.iter().map(|(name, (shape, _))| {
        // `enc.32x32_conv.weight`: what follows the dot is the size, unless the layer sees no image.
        let size = name.split('.').nth(1).and_then(|rest| rest.split('x').next()?.parse::<usize>().ok());
        match (shape.as_slice(), size) {
            ([kernel_h, kernel_w, inputs, outputs], Some(size)) => {
                let pixels = size * size;
                // Each pixel of a query is multiplied with each of a key, and the scores with the values.
                let attention = if name.ends_with("qkv.weight") { 2 * pixels * pixels * inputs } else { 0 };
                kernel_h * kernel_w * inputs * outputs * pixels + attention
            }
            ([inputs, outputs], _) => inputs * outputs,
            _ => 0,
        }
    });
    batch * products.sum::<usize>()
}

#[test]
fn operations_are_those_of_a_count_by_hand() {
    let home = TempDir::new().unwrap();
    let report = bench(home.path(), &["--json", "--dump", "files"]);
    let report: Value = serde_json::from_str(&report).expect("one JSON object");
    let flop =
        |place: &str| report.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("{place}"));
    let forward = 2.0 * multiply_adds(&home.path().join("files/model.safetensors"), 3) as f64;
    assert!(forward > 0.0);
    assert_eq!(flop("/flop_forward"), forward);
    assert_eq!(flop("/forward/flop"), forward);
    // Twice the forward pass, but for the layers that see the input itself, which has no gradient.
    let backward = flop("/backward/flop");
    assert!(1.9 * forward < backward && backward < 2.0 * forward, "{backward} of {forward}");
    assert_eq!(flop("/training_step/flop"), forward + backward);
}

#[test]
fn the_report_has_its_parts_and_shares_add_up() {
    let home = TempDir::new().unwrap();
    let report = bench(home.path(), &["--json", "--threads", "1"]);
    let report: Value = serde_json::from_str(&report).expect("one JSON object");
    assert_eq!(report["network"], "emoji");
    assert_eq!(report["batch"], 3);
    assert_eq!(report["threads"], 1);
    assert_eq!(report["precision"], Precision::fastest().name());
    assert!(report["parameters"].as_u64().unwrap() > 100_000);
    assert!(report["ceiling_gflops"].as_f64().unwrap() > 0.0);
    assert_eq!(report["peak_memory_bytes"].is_u64(), cfg!(target_os = "linux"));
    let operators = report["operators"].as_array().unwrap();
    for pass in ["forward", "backward", "training_step"] {
        let summary = &report[pass];
        for key in ["median_ms", "min_ms", "gflops", "fraction"] {
            assert!(summary[key].as_f64().unwrap() > 0.0, "{pass} {key}: {summary}");
        }
        assert!(summary["min_ms"].as_f64() <= summary["median_ms"].as_f64());
        let own: Vec<&Value> = operators.iter().filter(|row| row["pass"] == pass).collect();
        let shares: f64 = own.iter().map(|row| row["share"].as_f64().unwrap()).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{pass}: {shares}");
        let flop: f64 = own.iter().map(|row| row["flop"].as_f64().unwrap()).sum();
        assert_eq!(Some(flop), summary["flop"].as_f64(), "{pass}");
        assert_eq!(own.iter().filter(|row| row["name"] == "framework").count(), 1, "{pass}");
    }
    let names: Vec<&str> = operators.iter().map(|row| row["name"].as_str().unwrap()).collect();
    for name in
        ["conv2d 3x3 weight gradient", "norm_act gradient", "attention forward", "adam_update", "ema_update"]
    {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn people_get_a_table_of_what_they_asked_for() {
    let home = TempDir::new().unwrap();
    let text = bench(home.path(), &["--what", "forward"]);
    assert!(text.contains("forward by operator") && text.contains("framework"), "{text}");
    assert!(!text.contains("backward") && !text.contains("8x8x32"), "{text}");
    let text = bench(home.path(), &["--what", "forward", "--operators"]);
    assert!(text.contains("3x8x8x32 to 32"), "sizes are shown: {text}");
    assert!(text.lines().all(|line| line.trim_end() == line), "no line ends in blanks: {text:?}");
}

#[test]
fn a_written_case_is_what_its_model_makes() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    bench(home, &["--what", "forward", "--dump", "files", "--precision", "f32"]);
    let file = home.join("files/model.safetensors");
    let loaded = load_model(&file, &Which::Best).expect("a model file");
    let device = Device::flex();
    let network = loaded.header.architecture.build().unwrap();
    let preconditioning = loaded.header.preconditioning;
    let weights = loaded.weights(network.parameters(), &device).unwrap();
    let model = Preconditioned::new(network, weights, preconditioning, NoiseRange::default());

    let bytes = std::fs::read(home.join("files/case.safetensors")).unwrap();
    let case = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let floats = |name: &str| -> (Vec<usize>, Vec<f32>) {
        let tensor = case.tensor(name).unwrap();
        let values =
            tensor.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        (tensor.shape().to_vec(), values)
    };
    let (shape, input) = floats("input");
    assert_eq!(shape, [3, 32, 32, 3]);
    let sigma: Vec<f64> = floats("sigma").1.into_iter().map(f64::from).collect();
    let labels = case.tensor("labels").unwrap();
    let labels = labels.data().chunks(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as usize);
    let input = Tensor::<4>::from_data(TensorData::new(input, [3, 32, 32, 3]), &device);
    let output = model.denoise(input.clone(), &sigma, &Condition::classes(labels.collect())).unwrap();
    assert_eq!(output.into_data().try_to_vec::<f32>().unwrap(), floats("output").1);

    // Layers that start at zero would leave little of the network in the output: with other classes it must differ.
    let other = model.denoise(input, &sigma, &Condition::classes(vec![8, 7, 6])).unwrap();
    let other = other.into_data().try_to_vec::<f32>().unwrap();
    let difference = other.iter().zip(&floats("output").1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference > 1e-3, "the classes do not reach the output: {difference}");

    // Another precision writes what that precision makes, not the exact output under its name.
    bench(home, &["--what", "forward", "--dump", "rounded", "--precision", "bf16"]);
    let bytes = std::fs::read(home.join("rounded/case.safetensors")).unwrap();
    let rounded = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    assert_eq!(rounded.tensor("input").unwrap().data(), case.tensor("input").unwrap().data());
    let rounded = rounded.tensor("output").unwrap().data().to_vec();
    let model = model.with_precision(Precision::Bf16.here());
    let labels = case.tensor("labels").unwrap();
    let labels = labels.data().chunks(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as usize);
    let input = Tensor::<4>::from_data(TensorData::new(floats("input").1, [3, 32, 32, 3]), &device);
    let output = model.denoise(input, &sigma, &Condition::classes(labels.collect())).unwrap();
    let output: Vec<u8> = output.into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
    assert_eq!(output, rounded);
    let is_rounded = rounded != case.tensor("output").unwrap().data();
    assert_eq!(is_rounded, Precision::Bf16.here() == Precision::Bf16);

    // The file is a network to measure like any other.
    let again = onestep(home, &["bench", "files/model.safetensors", "--what", "forward", "--seconds", "0"]);
    expect(&again, 0);
    assert!(stdout(&again).starts_with("files/model.safetensors: "), "{}", stdout(&again));
}

#[test]
fn networks_of_the_literature_have_their_published_sizes() {
    let home = TempDir::new().unwrap();
    let report = onestep(
        home.path(),
        &["bench", "cifar10-ddpmpp", "--what", "forward", "--batch", "1", "--seconds", "0", "--json"],
    );
    expect(&report, 0);
    let report: Value = serde_json::from_str(&stdout(&report)).unwrap();
    // EDM's has 55,733,891, of which nine augmentation labels take 128 each; the recipe trains without them.
    assert_eq!(report["parameters"], 55_733_891 - 9 * 128);
}

#[test]
fn single_operators_are_measured_without_a_network() {
    let home = TempDir::new().unwrap();
    let report = onestep(home.path(), &["bench", "operators", "--batch", "1", "--seconds", "0", "--json"]);
    expect(&report, 0);
    let report: Value = serde_json::from_str(&stdout(&report)).expect("one JSON object");
    for row in report["operators"].as_array().unwrap() {
        assert!(row["forward"]["gflops"].as_f64().unwrap() > 0.0, "{row}");
        let has_weights = !row["name"].as_str().unwrap().starts_with("attention");
        assert_eq!(row["weight_gradient"].is_object(), has_weights, "{row}");
    }
    let refused = onestep(home.path(), &["bench", "operators", "--dump", "x"]);
    expect(&refused, 2);
    assert!(stderr(&refused).contains("--dump"), "{}", stderr(&refused));
}
