//! `onestep export`: writes a model for another program.

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use onestep::data::Outputs;
use onestep::exchange::{ExportFormat, ExportOptions, onnx};
use onestep::{Model, OpenOptions};

use crate::args::{ExportArgs, FormatName, OnnxFormName};
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::model;
use crate::print::{answer, say};

/// Runs the command.
pub fn run(args: &ExportArgs, quiet: bool) -> Outcome<ExitCode> {
    let options = OpenOptions::default().weights(&args.weights).device(&Device::flex());
    let model = model::open(&args.model, &options)?;
    let format = format(args, &model)?;
    let options = ExportOptions {
        title: args.title.clone(),
        license: args.license.clone(),
        metrics: args.metrics.as_deref().map(metrics).transpose()?,
        seed: None,
        outputs: Outputs::default().overwrite(args.overwrite).spare_all(model::files(&model)),
    };
    let out = args.out.clone().unwrap_or_else(|| format.default_path(&name(&args.model)));
    for path in format.write(&model, &out, &options)? {
        answer!("{}", path.display());
    }
    if !quiet && args.license.is_none() {
        say!("the card names no licence: --license apache-2.0 or another one says who may use the weights");
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, and for ONNX the form that suits the model.
fn format(args: &ExportArgs, model: &Model) -> Outcome<ExportFormat> {
    let form = match args.form {
        Some(OnnxFormName::OneStep) => onnx::Form::OneStep,
        Some(OnnxFormName::Denoiser) => onnx::Form::Denoiser,
        None if model.kind().has_ode() => onnx::Form::Denoiser,
        None => onnx::Form::OneStep,
    };
    Ok(match args.to {
        FormatName::Onnx => ExportFormat::Onnx(form),
        _ if args.form.is_some() => {
            return Err(Failure::usage("--form is of ONNX files").hint("add --to onnx, or leave it out"));
        }
        FormatName::Diffusers => ExportFormat::Diffusers,
        FormatName::Openai => ExportFormat::OpenAi,
        FormatName::Safetensors => ExportFormat::Safetensors,
        FormatName::Compact => ExportFormat::Compact,
    })
}

/// Metrics as Markdown: JSON becomes a block of it.
fn metrics(path: &Path) -> Outcome<String> {
    let text = onestep::file::read_text(path).map_err(|error| io_failure("read", path, &error))?;
    match path.extension().is_some_and(|ending| ending == "json") {
        false => Ok(text),
        true => match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => Ok(format!("```json\n{value:#}\n```")),
            Err(error) => Err(Failure::new(code::DATA, format!("{}: {error}", path.display()))),
        },
    }
}

/// What a model is called: its file or folder without an ending.
fn name(path: &Path) -> String {
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    if name.is_empty() { "model".into() } else { name }
}
