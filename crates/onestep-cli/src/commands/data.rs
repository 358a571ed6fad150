//! `onestep data`: look at a data set before training on it.

use std::process::ExitCode;

use onestep::data::{self, CheckReport, DataSpec, Dataset, Outputs, Sheet, Split};
use serde_json::json;

use crate::args::{DataArgs, DataCommand};
use crate::failure::{Outcome, code};
use crate::print::answer;
use crate::progress::bar;

/// Runs the command.
pub fn run(command: &DataCommand, quiet: bool) -> Outcome<ExitCode> {
    match command {
        DataCommand::Info(args) => info(args),
        DataCommand::Check(args) => check(args, quiet),
    }
}

fn open(args: &DataArgs) -> Outcome<Box<dyn Dataset>> {
    let spec = DataSpec {
        image_size: args.image_size,
        grey: args.grey,
        split: args.test.then_some(Split::Test),
        limit: args.limit,
        ..DataSpec::new(args.source.clone())
    };
    Ok(data::open(&spec)?)
}

fn info(args: &DataArgs) -> Outcome<ExitCode> {
    let set = open(args)?;
    let classes = set.class_names();
    if args.json {
        let report = json!({
            "source": args.source, "images": set.len(), "height": set.shape().height, "width": set.shape().width,
            "channels": set.shape().channels, "classes": classes, "ignored_files": set.ignored(),
            "fingerprint": set.fingerprint(),
        });
        answer!("{report:#}");
    } else {
        answer!("source       {}", args.source);
        answer!("images       {} of {}", set.len(), set.shape());
        match classes.len() {
            0 => answer!("classes      none"),
            n => answer!("classes      {n}: {}", classes.join(", ")),
        }
        if set.ignored() > 0 {
            answer!("ignored      {} files that are not images", set.ignored());
        }
        answer!("fingerprint  {}", set.fingerprint());
    }
    picture_of(args, set.as_ref())?;
    Ok(ExitCode::SUCCESS)
}

fn check(args: &DataArgs, quiet: bool) -> Outcome<ExitCode> {
    let set = open(args)?;
    let bar = bar(set.len() as u64, "images", quiet);
    let report = data::check(set.as_ref(), |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    if args.json {
        answer!("{:#}", report_json(&report));
    } else {
        print_report(&report);
    }
    picture_of(args, set.as_ref())?;
    Ok(if report.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(code::DATA) })
}

/// The first images as a picture, where asked.
fn picture_of(args: &DataArgs, set: &dyn Dataset) -> Outcome {
    let Some(path) = &args.picture else { return Ok(()) };
    Outputs::default().overwrite(args.overwrite).spare(&args.source).check(path)?;
    let n = if set.shape().n_values() == 2 { set.len().min(2048) } else { set.len().min(64) };
    let mut values = Vec::with_capacity(n * set.shape().n_values());
    for index in 0..n {
        values.extend(set.sample(index)?.values);
    }
    let made_of = json!({ "tool": onestep::TOOL, "data": args.source, "images": n }).to_string();
    Sheet::AUTO.write(path, &values, set.shape(), Some(&made_of))?;
    answer!("picture      {}", path.display());
    Ok(())
}

fn report_json(report: &CheckReport) -> serde_json::Value {
    let bad: Vec<_> = report
        .bad
        .iter()
        .map(|bad| json!({ "index": bad.index, "source": bad.source, "error": bad.error.to_string() }))
        .collect();
    json!({
        "images": report.n_samples, "height": report.shape.height, "width": report.shape.width,
        "channels": report.shape.channels, "classes": report.class_names, "class_counts": report.class_counts,
        "unlabelled": report.n_unlabelled, "mean": report.mean, "std": report.std, "bad": bad,
        "ignored_files": report.n_ignored,
    })
}

fn print_report(report: &CheckReport) {
    answer!("images       {} of {}, {} bad", report.n_samples, report.shape, report.bad.len());
    for (name, count) in report.class_names.iter().zip(&report.class_counts) {
        answer!("class        {name}: {count}");
    }
    let numbers = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
    answer!("mean         {}", numbers(&report.mean));
    answer!("deviation    {}", numbers(&report.std));
    if report.n_ignored > 0 {
        answer!("ignored      {} files that are not images", report.n_ignored);
    }
    for bad in &report.bad {
        answer!("bad          {}: {}", bad.source, bad.error);
    }
}
