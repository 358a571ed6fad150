//! A model between files: what it answers, and itself in other formats. `bench/check_diffusers.py` compares it so with diffusers.
//!
//! ```text
//! cargo run --release --example through -- new consistency model.safetensors   a small model with random weights
//! cargo run --release --example through -- ask MODEL in.safetensors out.safetensors
//! cargo run --release --example through -- diffusers MODEL FOLDER
//! cargo run --release --example through -- state-dict MODEL FILE
//! ```
//!
//! `in.safetensors` holds `noisy` `[batch, height, width, channels]`; `sigma`, the level of each sample, or `levels`, which all samples
//! go down by Euler's method, to 0 in the end; and `labels` where the model knows classes. `out.safetensors` holds `clean`.

use std::error::Error;
use std::path::Path;

use onestep::burn::tensor::{Device, Tensor, TensorData};
use onestep::checkpoint::{ModelHeader, save_model};
use onestep::exchange::{ExportOptions, write_diffusers, write_state_dict};
use onestep::interop::{Form, read_weights};
use onestep::model::network::{AdmConfig, AdmHeads, AdmResample};
use onestep::model::{Architecture, Condition, ModelKind, Weights};
use onestep::solver::Solver;
use safetensors::tensor::TensorView;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["new", kind, path] => new(kind, Path::new(path)),
        ["ask", model, input, output] => ask(model, Path::new(input), Path::new(output)),
        ["diffusers", model, folder] => written(model, |header, weights| {
            write_diffusers(header, weights, Path::new(folder), &ExportOptions::default())
        }),
        ["state-dict", model, file] => written(model, |header, weights| {
            write_state_dict(header, weights, Path::new(file), &ExportOptions::default())
        }),
        _ => {
            Err("usage: new KIND FILE | ask MODEL IN OUT | diffusers MODEL FOLDER | state-dict MODEL FILE"
                .into())
        }
    }
}

/// Writes a small model with random weights.
fn new(kind: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    let usual = AdmConfig {
        image_size: 16.into(),
        model_channels: 32,
        num_res_blocks: 1,
        channel_mult: vec![1, 2, 2],
        attention_resolutions: vec![8, 4],
        heads: AdmHeads::Width(16),
        ..AdmConfig::imagenet64()
    };
    let (config, form) = match kind {
        "consistency" => (AdmConfig { n_classes: Some(5), ..usual }, Form::Consistency),
        "plain" => (
            AdmConfig {
                n_classes: None,
                scale_shift_norm: false,
                resample: AdmResample::Convolution,
                ..usual
            },
            Form::Consistency,
        ),
        "ddpm" => (AdmConfig { n_classes: None, time_scale: 1.0, ..usual }, Form::DdpmLinear),
        _ => return Err("a new model is `consistency`, `plain` or `ddpm`".into()),
    };
    let architecture = Architecture::Adm(config);
    let network = architecture.build()?;
    let device = Device::flex();
    // Networks start with zeros at their ends; what is to be compared must not.
    let started = Weights::initialize(network.parameters(), 1, &device);
    let moved = started.iter().enumerate().map(|(index, (spec, value))| {
        let stream = onestep::noise::SeedNoise::new(&[index as u64]);
        value.clone() + noise(stream, spec.n_values(), &device) * 0.05
    });
    let weights = Weights::from_values(network.parameters(), moved.collect());
    let range = match form {
        Form::DdpmLinear => [0.01, 157.0],
        _ => [0.002, 80.0],
    };
    let header = ModelHeader {
        format: Default::default(),
        architecture,
        preconditioning: form.preconditioning(),
        kind: form.kind(),
        sigma_min: range[0],
        sigma_max: range[1],
        sigma_data: 0.5,
        rho: 7.0,
        class_names: Vec::new(),
        method: if form.kind() == ModelKind::Consistency { "ct" } else { "ddpm" }.into(),
        data: "nothing".into(),
        images_seen: 0,
        step: 0,
        tool: onestep::TOOL.into(),
        sampling_levels: None,
        task_levels: Default::default(),
        null_class: false,
        guidance: None,
        imported: None,
    };
    Ok(save_model(path, &header, &weights)?)
}

fn noise(mut of: impl onestep::noise::NoiseSource, n: usize, device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(of.standard_normal(1, n), [n]), device)
}

/// Asks a model and writes its answer.
fn ask(model: &str, input: &Path, output: &Path) -> Result<(), Box<dyn Error>> {
    let model = onestep::open(model)?;
    let mut input = read_weights(input)?;
    let (shape, values) = input.remove("noisy").ok_or("there is no `noisy`")?;
    let shape: [usize; 4] = shape.try_into().map_err(|_| "`noisy` is no batch of images")?;
    let noisy = Tensor::<4>::from_data(TensorData::new(values, shape), &Device::flex());
    let mut list = |name: &str| input.remove(name).map(|(_, values)| values);
    let labels = list("labels").map(|labels| labels.into_iter().map(|label| label as usize).collect());
    let condition = Condition::of_labels(labels);
    let numbers = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let clean = match (list("sigma"), list("levels")) {
        (Some(sigma), _) => model.denoiser().denoise(noisy, &numbers(sigma), &condition)?,
        (None, Some(levels)) => {
            let mut levels = numbers(levels);
            levels.push(0.0);
            levels.windows(2).try_fold(noisy, |state, pair| {
                let [from, to] = [pair[0], pair[1]].map(|level| vec![level; shape[0]]);
                Solver::Euler.step(model.denoiser(), state, &from, &to, &condition).map(|step| step.state)
            })?
        }
        (None, None) => return Err("there is neither `sigma` nor `levels`".into()),
    };
    let bytes: Vec<u8> = clean.into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
    let view = TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes)?;
    std::fs::write(output, safetensors::serialize([("clean", view)], None)?)?;
    Ok(())
}

/// Writes a model in another format.
fn written(
    model: &str,
    write: impl FnOnce(&ModelHeader, &Weights) -> onestep::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let model = onestep::open(model)?;
    let (origin, network) = model.origin().zip(model.network()).ok_or("the model is of no file")?;
    Ok(write(&origin.header, network.weights())?)
}
