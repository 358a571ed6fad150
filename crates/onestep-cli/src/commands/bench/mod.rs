//! `onestep bench`: how fast a network runs and trains here, beside the most that this processor can do.

mod features;
mod operators;

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use onestep::OpenOptions;
use onestep::data::Outputs;
use onestep_bench::{Case, Conditions, Measured, NETWORKS, Passes, Report, Subject};
use onestep_bench::{dump, features as feature_networks, passes};
use serde_json::Value;

use super::recipe;
use crate::args::{BenchArgs, PassName};
use crate::failure::{Failure, Outcome};
use crate::print::{answer, answer_text, say};
use crate::progress::bar;
use crate::{device, model};

/// Images at a time unless asked otherwise.
const BATCH: usize = 8;
/// Seconds a pass unless asked otherwise.
const SECONDS: f64 = 2.0;

/// Runs the command.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome<ExitCode> {
    if let Some(seconds) = args.seconds
        && !(seconds >= 0.0 && seconds.is_finite())
    {
        return Err(Failure::usage(format!("--seconds must be zero or more, not {seconds}")));
    }
    if let Some(threads) = args.threads {
        device::use_threads(threads as usize)?;
    }
    if let Some(folder) = &args.dump {
        let outputs = Outputs::default().overwrite(args.overwrite).spare(&args.network);
        ["model", "weights", "case"]
            .iter()
            .try_for_each(|name| outputs.check(&folder.join(name).with_extension("safetensors")))?;
    }
    let (device, choice) = (device::open(args.device)?, args.precision.choice());
    let on_processor = args.network == "operators" || feature_networks::is_feature_network(&args.network);
    if on_processor && device != Device::flex() {
        let message = format!("`bench {}` measures the processor: it takes no --device", args.network);
        return Err(Failure::usage(message));
    }
    if feature_networks::is_feature_network(&args.network) {
        features::run(args, quiet)?;
        return Ok(ExitCode::SUCCESS);
    }
    let precision = choice.on(&device);
    model::say_what_replaces(choice, &device, quiet);
    if args.network == "operators" {
        operators::run(args, precision, quiet)?;
        return Ok(ExitCode::SUCCESS);
    }
    let batch = args.batch.map_or(BATCH, |batch| batch as usize);
    let mut subject = open(args, batch, &device)?;
    subject.model = subject.model.with_precision(precision);
    subject.recipe.train.precision = precision;
    let case = Case::new(&subject, batch, &device)?;
    if let Some(folder) = &args.dump {
        for file in dump(folder, &subject, &case)? {
            if !quiet {
                say!("wrote {}", file.display());
            }
        }
    }
    let seconds = args.seconds.unwrap_or(SECONDS);
    let (conditions, passes) =
        Conditions::around(&device, precision, seconds, || measure(args, seconds, &subject, &case, quiet))?;
    let report = Report { subject: &subject, batch, conditions, passes };
    show(args, || report.text(args.operators), || report.json());
    Ok(ExitCode::SUCCESS)
}

/// Prints what was measured, for people or for programs.
fn show(args: &BenchArgs, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
    if args.json {
        answer!("{:#}", json());
    } else {
        answer_text!("{}", text());
    }
}

fn open(args: &BenchArgs, batch: usize, device: &Device) -> Outcome<Subject> {
    find(args, batch, device).map_err(|failure| {
        if args.network.contains(['/', '.']) {
            return failure;
        }
        let names: Vec<&str> = NETWORKS.iter().map(|(name, ..)| *name).collect();
        let names = names.into_iter().chain(feature_networks::NAMES).collect::<Vec<_>>().join(", ");
        failure.hint(format!("{names}, `operators` and model files work too"))
    })
}

/// Finds a network by its name, its file or its recipe.
fn find(args: &BenchArgs, batch: usize, device: &Device) -> Outcome<Subject> {
    let BenchArgs { network: name, settings, .. } = args;
    if let Some(known) = Subject::named(name, settings, batch, device)? {
        return Ok(known);
    }
    let path = Path::new(name);
    if name.ends_with(".safetensors") || (path.exists() && !name.ends_with(".toml")) {
        let opened = model::open(path, &OpenOptions::default().device(device))?;
        return Ok(Subject::of_model(name, &opened, settings, batch)?);
    }
    Ok(Subject::of_recipe(name, recipe::read(name, &[])?, settings, batch, device)?)
}

fn measure(args: &BenchArgs, seconds: f64, subject: &Subject, case: &Case, quiet: bool) -> Outcome<Passes> {
    let bar = bar(if args.what == PassName::All { 3 } else { 1 }, "measured", quiet);
    let run = |pass, name: &'static str, body: &dyn Fn() -> onestep_bench::Result<Measured>| {
        if args.what != pass && args.what != PassName::All {
            return Ok(None);
        }
        bar.set_message(format!("· now the {name}"));
        let measured = body()?;
        bar.inc(1);
        Outcome::Ok(Some(measured))
    };
    let flop_forward = passes::flop_forward(subject, case.sigma.len())?;
    // The gradients by weights and by inputs take as many operations each as the evaluation, but for the first layer. A step is more than
    // that by what its method asks of targets and teachers: no card says how much.
    let [forward, backward, step] =
        [passes::forward, passes::backward, passes::step].map(|pass| move || pass(subject, case, seconds));
    let passes = Passes {
        flop_forward,
        forward: run(PassName::Forward, "forward pass", &|| Ok(forward()?.or_nominal(flop_forward)))?,
        backward: run(PassName::Backward, "backward pass", &|| {
            Ok(backward()?.or_nominal(2.0 * flop_forward))
        })?,
        training_step: run(PassName::Step, "training step", &step)?,
    };
    bar.finish_and_clear();
    Ok(passes)
}
