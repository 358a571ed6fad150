//! `onestep info`: what a model, a run or a picture holds.

use std::path::Path;
use std::process::ExitCode;

use onestep::checkpoint::{Which, read_header, stage_models};
use onestep::data::picture;
use onestep::model::{ModelKind, n_parameters};
use onestep::train::RunSummary;
use onestep_bench::human_bytes;
use serde_json::{Value, json};

use crate::args::InfoArgs;
use crate::failure::Outcome;
use crate::lists::Classes;
use crate::parameters;
use crate::print::answer;

/// Runs the command.
pub fn run(args: &InfoArgs) -> Outcome<ExitCode> {
    if args.path.extension().is_some_and(|e| e == "png") {
        return picture_info(&args.path);
    }
    if args.path.is_dir() {
        let runs = RunSummary::all_in(&args.path)?;
        if !runs.is_empty() {
            return list_runs(&runs, args.json);
        }
    }
    let Ok(which) = args.weights.parse::<Which>();
    let summary = read_header(&args.path, &which)?;
    let header = &summary.header;
    let network = header.architecture.build()?;
    let [height, width, channels] = network.image();
    let n = n_parameters(network.parameters());
    if args.json {
        let tensors: Vec<_> =
            summary.tensors.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect();
        let mut report = json!({ "file": summary.file, "header": header, "parameters": n });
        if args.tensors {
            report["tensors"] = tensors.into();
        }
        answer!("{report:#}");
        return Ok(ExitCode::SUCCESS);
    }
    answer!("file         {} ({})", summary.file.display(), human_bytes(summary.n_bytes));
    answer!("method       {}, {:?} preconditioning", header.method, header.preconditioning);
    answer!("images       {width}x{height}, {channels} channels");
    match network.n_classes() {
        Some(n) if header.class_names.is_empty() => answer!("classes      {n}"),
        Some(n) => answer!("classes      {n}: {}", Classes::typed(&header.class_names)),
        None => answer!("classes      none"),
    }
    match (header.guidance, header.kind) {
        (Some(range), _) if range.low == range.high => answer!("guidance     {}, always", range.low),
        (Some(range), _) => answer!("guidance     {} to {}: --guidance tells it one", range.low, range.high),
        (None, ModelKind::Diffusion) if network.n_classes().is_some() && header.knows_null_class() => {
            answer!("guidance     any: it knows images without class");
        }
        _ => {}
    }
    answer!("parameters   {n} in {} tensors", summary.tensors.len());
    answer!(
        "noise        {} to {}, data {}, rho {}",
        header.sigma_min,
        header.sigma_max,
        header.sigma_data,
        header.rho
    );
    if let Some(levels) = &header.sampling_levels {
        answer!("levels       {levels:?}");
    }
    for (task, levels) in &header.task_levels {
        answer!("{:<12} {levels:?}", format!("· {task}"));
    }
    let stages: Vec<String> = stage_models(&args.path)?.keys().map(usize::to_string).collect();
    if !stages.is_empty() {
        answer!("stages       models of {} steps are kept; --steps takes them", stages.join(", "));
    }
    answer!("trained      {} steps, {} images of {}", header.step, header.images_seen, header.data);
    if let Some(imported) = &header.imported {
        answer!("imported     from {}, {}", imported.file, imported.family);
    }
    answer!("written by   {}", header.tool);
    answer!("network      {}", serde_json::to_string(&header.architecture).unwrap_or_default());
    if args.tensors {
        for (name, shape) in &summary.tensors {
            answer!("{name:<48} {shape:?}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How far every run of a folder is.
fn list_runs(runs: &[RunSummary], as_json: bool) -> Outcome<ExitCode> {
    if as_json {
        let list: Vec<Value> = runs
            .iter()
            .map(|RunSummary { folder, name, method, step, steps, preview }| {
                json!({ "folder": folder, "recipe": name, "method": method, "step": step, "steps": steps, "preview": preview })
            })
            .collect();
        answer!("{:#}", Value::Array(list));
        return Ok(ExitCode::SUCCESS);
    }
    for RunSummary { folder, name, method, step, steps, preview } in runs {
        let progress = format!("{} of {steps}", step.unwrap_or(0));
        answer!("{:<24} {name:<20} {method:<8} {progress:>18}", folder.display());
        if let Some(preview) = preview {
            answer!("    {}", preview.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn picture_info(path: &Path) -> Outcome<ExitCode> {
    let absent = || parameters::absent(path).hint("only PNG files written by onestep do");
    let text = picture::read_parameters(path)?.ok_or_else(absent)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| parameters::unreadable(path, error))?;
    answer!("{value:#}");
    Ok(ExitCode::SUCCESS)
}
