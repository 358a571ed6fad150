//! `onestep import`: takes over a model of another program.

use std::process::ExitCode;

use onestep::Error;
use onestep::data::Outputs;
use onestep::exchange::Import;
use onestep::interop::{InteropError, Matching};
use onestep::model::{ModelKind, n_parameters};
use onestep_bench::human_bytes;
use serde_json::{Value, json};

use crate::args::ImportArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, say, typed};
use crate::progress::ImageBar;
use crate::signals::StopFlag;

/// Tensors that are listed of each kind of misfit where not all were asked for.
const LISTED: usize = 12;

/// Runs the command.
pub fn run(args: &ImportArgs, quiet: bool) -> Outcome<ExitCode> {
    let outputs = Outputs::default().overwrite(args.overwrite).spare(&args.model);
    if !args.dry_run {
        // A name that is taken is told before a gigabyte is read.
        outputs.check(&args.out)?;
    }
    let mut import =
        Import::open(&args.model, &args.choices.choices()).map_err(|error| of_file(args, error))?;
    if let Some(names) = &args.class_names {
        import = import.class_names(names.each(&[]).map_err(Failure::usage)?)?;
    }
    if let Some(data) = &args.data {
        import = import.trained_on(data);
    }
    let matching = import.matching();
    if args.json {
        answer!("{:#}", report(args, &import, &matching)?);
    } else {
        describe(args, &import, &matching)?;
    }
    if let Some(problem) = matching.problem() {
        let n = matching.missing.len() + matching.extra.len() + matching.misshapen.len();
        let failure =
            Failure::from(problem).context(format!("{n} tensors of {} do not fit", args.model.display()));
        return Err(failure.hint("nothing was written: a model is taken over whole or not at all"));
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let stop = StopFlag::listen()?;
    stop.heed(quiet, "stopping ...", || "ended at once; nothing was written".into());
    let mut bar = ImageBar::new("tensors", quiet, &stop);
    let saved = import.save_watched(&args.out, &outputs, &mut bar)?;
    bar.finish();
    if saved.is_none() {
        say!("stopped; nothing was written, the same command begins anew");
        return Ok(ExitCode::from(code::STOPPED));
    }
    if !args.json {
        let size = std::fs::metadata(&args.out).map_or(0, |metadata| metadata.len());
        answer!("written      {} ({})", args.out.display(), human_bytes(size));
    }
    if !quiet {
        say!("next: onestep sample {} --out samples.png", typed(args.out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// An error of the file that was to be taken over, with its name.
fn of_file(args: &ImportArgs, error: Error) -> Failure {
    match error {
        Error::Interop(InteropError::File(_)) => error.into(),
        error => Failure::from(error).context(format!("cannot take over {}", args.model.display())),
    }
}

/// Says what it is and how its tensors fit.
fn describe(args: &ImportArgs, import: &Import, matching: &Matching) -> Outcome {
    let model = import.model();
    let network = import.network()?;
    let [height, width, channels] = network.image();
    answer!("file         {}", model.weights.display());
    answer!("family       {}", model.family.name());
    answer!(
        "model        {}, {:?} preconditioning, method {}",
        kind(model.kind),
        model.preconditioning,
        model.method
    );
    answer!("images       {width}x{height}, {channels} channels");
    answer!("classes      {}", network.n_classes().map_or("none".into(), |n| n.to_string()));
    answer!(
        "noise        {} to {}, data {}",
        model.range.sigma_min,
        model.range.sigma_max,
        model.range.sigma_data
    );
    answer!("network      {}", serde_json::to_string(&model.architecture).unwrap_or_default());
    let n = n_parameters(network.parameters());
    let n_tensors: usize = matching.matched.iter().map(|found| found.theirs.len()).sum();
    answer!("parameters   {n} in {n_tensors} tensors");
    let constants = match matching.constants.len() {
        0 => String::new(),
        n => format!(", {n} constants"),
    };
    let Matching { missing, extra, misshapen, .. } = matching;
    answer!(
        "tensors      {n_tensors} matched{constants}, {} missing, {} too many, {} of another shape",
        missing.len(),
        extra.len(),
        misshapen.len()
    );
    let limit = if args.tensors { usize::MAX } else { LISTED };
    listed("missing", missing.iter().map(|(name, shape)| format!("{name} {shape:?}")), limit);
    listed("too many", extra.iter().map(|(name, shape)| format!("{name} {shape:?}")), limit);
    let shapes = |(name, found, needed): &(String, Vec<usize>, Vec<usize>)| {
        format!("{name} {found:?}, needed {needed:?}")
    };
    listed("shape", misshapen.iter().map(shapes), limit);
    if args.tensors {
        for found in &matching.matched {
            answer!("{:<56} {:<48} {:?}", found.theirs.join(" + "), found.ours, found.shape);
        }
    }
    Ok(())
}

/// Lists what does not fit, up to a number.
fn listed(what: &str, lines: impl ExactSizeIterator<Item = String>, limit: usize) {
    let n = lines.len();
    for line in lines.take(limit) {
        answer!("  {what:<10} {line}");
    }
    if n > limit {
        answer!("  {what:<10} and {} more; --tensors lists them all", n - limit);
    }
}

/// The same as JSON.
fn report(args: &ImportArgs, import: &Import, matching: &Matching) -> Outcome<Value> {
    let model = import.model();
    let network = import.network()?;
    let named = |list: &[(String, Vec<usize>)]| -> Vec<Value> {
        list.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect()
    };
    let misshapen: Vec<Value> = (matching.misshapen.iter())
        .map(|(name, found, needed)| json!({ "name": name, "shape": found, "needed": needed }))
        .collect();
    let n_tensors: usize = matching.matched.iter().map(|found| found.theirs.len()).sum();
    let mut report = json!({
        "file": model.weights,
        "family": model.family.name(),
        "kind": model.kind,
        "preconditioning": model.preconditioning,
        "method": model.method,
        "architecture": model.architecture,
        "parameters": n_parameters(network.parameters()),
        "matched": n_tensors,
        "constants": matching.constants.len(),
        "missing": named(&matching.missing),
        "extra": named(&matching.extra),
        "misshapen": misshapen,
    });
    if args.tensors {
        report["tensors"] = (matching.matched.iter())
            .map(|found| json!({ "theirs": found.theirs, "ours": found.ours, "shape": found.shape }))
            .collect();
    }
    if !args.dry_run && matching.is_complete() {
        report["written"] = json!(args.out);
    }
    Ok(report)
}

/// What a model is, for people.
fn kind(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Diffusion => "diffusion model",
        ModelKind::Consistency => "consistency model",
        ModelKind::Progressive => "model of progressive distillation",
    }
}
