//! What exports say and give.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use onestep::data::{OutputError, Outputs};
use onestep::exchange::onnx::{Export, Form};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::cases::{self, Case};
use super::file::File;
use super::tensor::Tensor;

const FORMS: [Form; 2] = [Form::OneStep, Form::Denoiser];

/// Largest difference as a part of the largest value: single precision through forty layers, here in another order.
const TOLERANCE: f64 = 1e-4;

#[test]
fn exports_of_every_network_say_what_the_model_says() {
    let home = tempfile::tempdir().unwrap();
    for case in cases::all() {
        for (form, batch) in FORMS.into_iter().zip([2, 3]) {
            let path = home.path().join(format!("{}-{}.onnx", case.name, form.name()));
            let written = Export::new(&case.model, form).write(&path).unwrap();
            let file = File::read(&path);
            assert_eq!((file.nodes.len(), vec![path.clone()]), (written.n_nodes, written.files));
            let (inputs, expected) = case.call(form, batch);
            let found = file.evaluate(&inputs);
            assert_near(&found, &expected, &format!("{} {} {batch}", case.name, form.name()));
            // Clamped pictures alone would compare nothing.
            let free = expected.values.iter().filter(|value| value.abs() < 1.0).count();
            assert!(8 * free > expected.values.len(), "{} {}: {free} free", case.name, form.name());
        }
    }
}

fn assert_near(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.dims, expected.dims, "{what}");
    let scale = expected.values.iter().fold(0.0f64, |scale, value| scale.max(value.abs()));
    let differences = found.values.iter().zip(&expected.values).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0, f64::max);
    println!("onnx | {what} | {worst:.1e} of {scale:.2}");
    // NaN is near nothing.
    assert!(worst <= TOLERANCE * scale, "{what}: {worst} of {scale}");
}

#[test]
fn files_tell_what_they_take_and_what_they_are() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    let case = &cases::all()[0];
    Export::new(&case.model, Form::Denoiser).write(&path).unwrap();
    let file = File::read(&path);
    assert_eq!((file.ir_version, file.opset, file.producer.as_str()), (8, 17, "onestep"));
    let slots = |slots: &[super::file::Slot]| -> Vec<String> {
        slots.iter().map(|slot| format!("{}:{}[{}]", slot.name, slot.element, slot.axes.join(","))).collect()
    };
    assert_eq!(slots(&file.inputs), ["noisy:1[batch,1,8,8]", "sigma:1[batch]", "label:7[batch]"]);
    assert_eq!(slots(&file.outputs), ["denoised:1[batch,1,8,8]"]);
    let expected: BTreeMap<String, String> = [
        ("tool", onestep::TOOL),
        ("form", "denoiser"),
        ("kind", "consistency"),
        ("preconditioning", "boundary"),
        ("sigma_min", "0.002"),
        ("sigma_max", "80"),
        ("sigma_data", "0.5"),
        ("classes", "3"),
    ]
    .map(|(key, value)| (key.to_string(), value.to_string()))
    .into();
    assert_eq!(file.metadata, expected);

    Export::new(&case.model, Form::OneStep).write(&path).unwrap();
    let file = File::read(&path);
    assert_eq!(slots(&file.inputs), ["noise:1[batch,1,8,8]", "label:7[batch]"]);
    assert_eq!(slots(&file.outputs), ["image:1[batch,1,8,8]"]);
    assert_eq!(file.metadata["form"], "one-step");
}

/// In the denoiser form all of them are there, but for augmentation, which is never told, and kernels that a filter has changed.
#[test]
fn parameters_keep_their_names_and_numbers() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    for case in cases::all() {
        Export::new(&case.model, Form::Denoiser).write(&path).unwrap();
        let file = File::read(&path);
        for (spec, values) in case.network.weights().iter() {
            if spec.name.contains("augment") || spec.name.contains("aux_residual.weight") {
                continue;
            }
            let there = file.initializers.get(&spec.name);
            let there = there.unwrap_or_else(|| panic!("{}: no `{}`", case.name, spec.name));
            let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
            let ours = sum(&mut values.clone().into_data().iter::<f64>());
            assert!((sum(&mut there.values.iter().copied()) - ours).abs() < 1e-9, "{}", spec.name);
        }
    }
}

#[test]
fn nodes_have_names_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    for case in cases::all() {
        Export::new(&case.model, Form::OneStep).write(&path).unwrap();
        let file = File::read(&path);
        let names: BTreeSet<&str> = file.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!((names.len(), names.contains("")), (file.nodes.len(), false), "{}", case.name);
        // What is there is used.
        let used: BTreeSet<&String> = file.nodes.iter().flat_map(|node| &node.inputs).collect();
        assert!(file.initializers.keys().all(|name| used.contains(name)), "{}", case.name);
    }
}

/// With σ known and no class to be told, nothing of the embedding is left to be computed.
#[test]
fn what_is_known_is_computed_before() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    let all = cases::all();
    let case = all.iter().find(|case| case.name.starts_with("adm-8")).unwrap();
    let operators = |form| {
        Export::new(&case.model, form).write(&path).unwrap();
        let file = File::read(&path);
        file.nodes.iter().map(|node| node.operator.clone()).collect::<BTreeSet<String>>()
    };
    let needed = operators(Form::Denoiser);
    assert!(["Gemm", "Sin", "Log"].iter().all(|operator| needed.contains(*operator)));
    let needed = operators(Form::OneStep);
    assert!(["Gemm", "Sin", "Log", "Slice"].iter().all(|operator| !needed.contains(*operator)), "{needed:?}");
}

#[test]
fn weights_beside_the_file_are_the_same() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let case = &cases::all()[3];
    let together = Export::new(&case.model, Form::Denoiser).write(path("together.onnx")).unwrap();
    let apart = Export::new(&case.model, Form::Denoiser).largest_file(0).write(path("apart.onnx")).unwrap();
    assert_eq!(together.files, [path("together.onnx")]);
    assert_eq!(apart.files, [path("apart.onnx"), path("apart.onnx.data")]);
    let sizes = |files: &[std::path::PathBuf]| -> u64 {
        files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum()
    };
    assert_eq!((sizes(&together.files), sizes(&apart.files)), (together.bytes, apart.bytes));
    let (together, apart) = (File::read(&path("together.onnx")), File::read(&path("apart.onnx")));
    assert_eq!(together.initializers, apart.initializers);
    let (inputs, expected) = case.call(Form::Denoiser, 2);
    assert_near(&apart.evaluate(&inputs), &expected, "apart");
    // Both are known for ours, and nothing else is left.
    let over = Outputs::default().overwrite(true);
    for name in ["together.onnx", "apart.onnx", "apart.onnx.data"] {
        assert_eq!(Outputs::default().check(&path(name)), Err(OutputError::Exists { path: path(name) }));
        assert_eq!(over.check(&path(name)), Ok(()));
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 3);
}

/// Two exports of one model are one file.
#[test]
fn equal_models_are_equal_files() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    for name in ["one.onnx", "other.onnx"] {
        Export::new(&cases::all()[0].model, Form::OneStep).write(path(name)).unwrap();
    }
    assert_eq!(std::fs::read(path("one.onnx")).unwrap(), std::fs::read(path("other.onnx")).unwrap());
}

/// At σ_min a consistency model is the identity, also where σ is given.
#[test]
fn the_smallest_level_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    let case = &cases::all()[0];
    assert!(case.name.ends_with("boundary"));
    Export::new(&case.model, Form::Denoiser).write(&path).unwrap();
    let (mut inputs, _) = case.call(Form::Denoiser, 2);
    for (name, tensor) in &mut inputs {
        if *name == "sigma" {
            tensor.values.fill(f64::from(0.002f32));
        }
    }
    let found = File::read(&path).evaluate(&inputs);
    assert_eq!(found.values, inputs[0].1.values);
    // And at none at all there are still numbers.
    inputs[1].1.values.fill(0.0);
    assert!(File::read(&path).evaluate(&inputs).values.iter().all(|value| value.is_finite()));
}

/// Keeps exports with inputs and outputs for other programs where a folder is named; see docs/exchange-checks.md.
#[test]
fn cases_for_other_programs() {
    let Some(folder) = cases::kept() else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for case in cases::all() {
        for form in FORMS {
            let name = format!("{}-{}", case.name, form.name());
            let export = Export::new(&case.model, form);
            export.write(folder.join(format!("{name}.onnx"))).unwrap();
            for batch in [1, 5] {
                keep(&folder.join(format!("{name}.{batch}.safetensors")), &case, form, batch);
            }
        }
    }
}

fn keep(path: &Path, case: &Case, form: Form, batch: usize) {
    let (mut arrays, expected) = case.call(form, batch);
    arrays.push(("expected", expected));
    let bytes: Vec<(&str, Vec<usize>, Dtype, Vec<u8>)> = arrays
        .into_iter()
        .map(|(name, Tensor { dims, values })| match name {
            "label" => (
                name,
                dims,
                Dtype::I64,
                values.iter().flat_map(|&value| (value as i64).to_le_bytes()).collect(),
            ),
            _ => (
                name,
                dims,
                Dtype::F32,
                values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
            ),
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, dims, dtype, bytes)| (*name, TensorView::new(*dtype, dims.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}
