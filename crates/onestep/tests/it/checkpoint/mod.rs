//! Checkpoints: the same bytes again, nothing wrong accepted, and nothing lost whenever a process dies.

mod builtin;
mod faults;
mod files;
mod folders;
mod kills;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::checkpoint::AverageConfig;
use onestep::checkpoint::{Format, ModelHeader, TrainState};
use onestep::model::network::MlpConfig;
use onestep::model::{Architecture, Builder, Init, ModelKind, ParameterSpec, Preconditioning, Weights};
use onestep::train::{Average, Optimizer, OptimizerConfig, RadamConfig};
use onestep::train::{Checkpoint, MethodState, Restored, RunFolder};

/// A few small parameters, one that is not trained, and one large enough to be written in pieces.
pub fn specs() -> Arc<[ParameterSpec]> {
    let mut builder = Builder::default();
    builder.parameter("layers.0.weight", &[3, 5], Init::fan_in(3));
    builder.parameter("layers.0.bias", &[5], Init::Zeros);
    builder.buffer("embedding.frequencies", &[4], Init::Normal { std: 1.0 });
    builder.parameter("output.weight", &[1, 1, 130, 140], Init::Normal { std: 0.1 });
    builder.finish()
}

pub fn header() -> ModelHeader {
    ModelHeader {
        format: Format,
        architecture: Architecture::Mlp(MlpConfig::new(2)),
        preconditioning: Preconditioning::Boundary,
        kind: ModelKind::Consistency,
        sigma_min: 0.002,
        sigma_max: 80.0,
        sigma_data: 0.5,
        rho: 7.0,
        class_names: vec!["left \"moon\"".into(), "rechter Mond: ½ ☾".into()],
        method: "ct".into(),
        data: "moons".into(),
        images_seen: 0,
        step: 0,
        tool: "onestep 0.1.0".into(),
        sampling_levels: Some(vec![80.0, 0.82]),
        task_levels: [("inpaint".to_owned(), vec![80.0, 5.0])].into(),
        null_class: false,
        guidance: None,
        imported: None,
    }
}

/// A run after `step` steps, every number of it a function of `step` and `seed`.
pub fn checkpoint_at(step: u64, seed: u64) -> Checkpoint {
    let device = Device::default();
    let specs = specs();
    let weights = Weights::initialize(&specs, seed + 1000 * step, &device);
    let mut optimizer = Optimizer::new(OptimizerConfig::Radam(RadamConfig::default()), &weights);
    let gradients: Vec<Tensor<1>> = weights.values().iter().map(|value| value.clone() * 0.5 + 0.25).collect();
    let weights = optimizer.update(&weights, &gradients, 1e-3);
    let configs = [
        AverageConfig::Rate { rate: 0.9999 },
        AverageConfig::HalfLife { half_life_images: 500_000.0, ramp_up_ratio: Some(0.05) },
    ];
    let average =
        |config| Average { config, weights: Weights::initialize(&specs, seed + 1000 * step + 1, &device) };
    Checkpoint {
        header: header(),
        averages: configs.into_iter().map(average).collect(),
        method: MethodState {
            target: Some(Weights::initialize(&specs, seed + 1000 * step + 2, &device)),
            teacher: Some(Weights::initialize(&specs, seed + 1000 * step + 3, &device)),
            weighting: None,
        },
        optimizer,
        weights,
        state: TrainState {
            step,
            images_seen: 64 * step,
            seed: u64::MAX - seed,
            skipped_updates: 3,
            consecutive_bad: 1,
            recipe: Some("name = \"abc\"".into()),
            data_fingerprint: "def".into(),
            tool: "onestep 0.1.0".into(),
            ..TrainState::default()
        },
    }
}

/// Loads a run as a new process would.
pub fn load(run: &Path) -> Option<Restored> {
    RunFolder::open(run, 3).unwrap().load(&specs(), &Device::default()).unwrap()
}

/// The folder of a run that a process goes on with: it has loaded what is there, so that it may save.
pub fn continued(folder: RunFolder) -> RunFolder {
    folder.load(&specs(), &Device::default()).unwrap();
    folder
}

/// All values of a checkpoint, to compare.
pub fn numbers(checkpoint: &Checkpoint) -> Vec<Vec<f32>> {
    let of = |weights: &Weights| -> Vec<Vec<f32>> {
        weights.values().iter().map(|value| value.clone().into_data().try_into_vec().unwrap()).collect()
    };
    let mut all = of(&checkpoint.weights);
    all.extend(checkpoint.averages.iter().flat_map(|average| of(&average.weights)));
    all.extend(checkpoint.method.target.iter().flat_map(of));
    all.extend(checkpoint.method.teacher.iter().flat_map(of));
    all.extend(checkpoint.optimizer.state(&checkpoint.weights).into_values().map(|(_, values)| values));
    all
}

/// Asserts that two checkpoints are the same to the bit.
pub fn assert_same(got: &Checkpoint, expected: &Checkpoint) {
    assert_eq!(got.state, expected.state);
    assert_eq!(got.optimizer.step(), expected.optimizer.step());
    assert_eq!(got.optimizer.config(), expected.optimizer.config());
    let bits = |checkpoint| -> Vec<Vec<u32>> {
        numbers(checkpoint)
            .iter()
            .map(|values| values.iter().map(|value| value.to_bits()).collect())
            .collect()
    };
    assert!(bits(got) == bits(expected), "step {}: the numbers differ", expected.state.step);
}

/// Every file under a folder with its contents, by path.
pub fn files_under(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Names in a run's `ckpt` folder, sorted.
pub fn names(run: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(run.join("ckpt"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Weights with one value replaced.
pub fn with_value(weights: &Weights, parameter: usize, index: usize, value: f32) -> Weights {
    let mut values = weights.values().to_vec();
    let mut numbers: Vec<f32> = values[parameter].clone().into_data().try_into_vec().unwrap();
    numbers[index] = value;
    let n = numbers.len();
    values[parameter] = Tensor::from_data(TensorData::new(numbers, [n]), &Device::default());
    Weights::from_values(weights.specs(), values)
}
