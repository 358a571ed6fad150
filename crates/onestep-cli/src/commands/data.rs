//! `onestep data`: look at a data set before training on it, or get one.

use std::process::ExitCode;

use onestep::ImageSize;
use onestep::data::{
    self, AttributeTable, CheckReport, DataError, DataSpec, Dataset, Hint, Outputs, PassedOver, Sheet, Split,
};
use onestep::train::Suggestion;
use serde_json::json;

use crate::args::{DataArgs, DataCommand, EmojiArgs, FetchSet};
use crate::failure::{Failure, Outcome, code};
use crate::lists::Classes;
use crate::print::{answer, say};
use crate::progress::bar;

/// Runs the command.
pub fn run(command: &DataCommand, quiet: bool) -> Outcome<ExitCode> {
    match command {
        DataCommand::Info(args) => info(args),
        DataCommand::Check(args) => check(args, quiet),
        DataCommand::Fetch(FetchSet::Emoji(args)) => fetch_emoji(args, quiet),
    }
}

/// Gets a set of emoji, where this build can.
#[cfg(feature = "icons")]
fn fetch_emoji(args: &EmojiArgs, quiet: bool) -> Outcome<ExitCode> {
    super::emoji::run(args, quiet)
}

/// Says how to get it, where this build cannot.
#[cfg(not(feature = "icons"))]
fn fetch_emoji(_: &EmojiArgs, _: bool) -> Outcome<ExitCode> {
    let failure = Failure::usage("this build does not draw emoji");
    Err(failure.hint("a build that does, and fetches them: cargo build --release --features icons,fetch"))
}

/// The set, and the size it is looked at in where its images have several and none was asked for.
fn open(args: &DataArgs) -> Outcome<(Box<dyn Dataset>, Option<ImageSize>)> {
    let spec = DataSpec {
        split: args.test.then_some(Split::Test).or(args.val.then_some(Split::Val)),
        limit: args.limit,
        ..DataSpec::new(args.source.clone())
    };
    let asked = args.view.of(spec);
    let (opened, looked_at) = match data::open(&asked) {
        Err(DataError::MixedSizes { first_shape, other_shape, .. }) => {
            let size = Suggestion::size_for_mixed([first_shape, other_shape]);
            (data::open(&DataSpec { image_size: Some(size), ..asked }), Some(size))
        }
        opened => (opened, None),
    };
    let set = opened.map_err(|error| {
        let hint = match &error {
            DataError::Labels { .. } => Some("--labels false looks at the images alone"),
            _ => None,
        };
        hint.into_iter().fold(Failure::from(error), Failure::hint)
    })?;
    Ok((set, looked_at))
}

/// That images of several sizes were looked at in one.
fn print_sizes(looked_at: Option<ImageSize>) {
    if let Some(size) = looked_at {
        answer!("sizes        several; looked at in {size}, as --image-size {} does", size.height);
    }
}

fn info(args: &DataArgs) -> Outcome<ExitCode> {
    let (set, looked_at) = open(args)?;
    let classes = set.class_names();
    let (passed_over, hints) = (set.passed_over(), data::hints(set.as_ref(), None));
    if args.json {
        let report = json!({
            "source": args.source, "images": set.len(), "height": set.shape().height, "width": set.shape().width,
            "channels": set.shape().channels, "classes": classes, "passed_over": passed_over,
            "hints": hints_json(&hints), "fingerprint": set.fingerprint(), "read_as": set.read_as(),
            "attributes": set.attributes(),
        });
        answer!("{report:#}");
    } else {
        answer!("source       {}", args.source);
        answer!("images       {} of {}", set.len(), set.shape());
        print_sizes(looked_at);
        if let Some(read_as) = set.read_as() {
            answer!("read as      {read_as}");
        }
        match classes.len() {
            0 => answer!("classes      none"),
            n => answer!("classes      {n}: {}", Classes::typed(classes)),
        }
        for AttributeTable { name, values } in set.attributes() {
            answer!("attribute    {name}: {}", listed(&values));
        }
        print_notes(&passed_over, &hints);
        answer!("fingerprint  {}", set.fingerprint());
    }
    picture_of(args, set.as_ref())?;
    Ok(ExitCode::SUCCESS)
}

/// The most probable values of an attribute, with how probable they are.
fn listed(values: &[(String, f64)]) -> String {
    let mut values: Vec<&(String, f64)> = values.iter().collect();
    values.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let percent = |(name, chance): &&(String, f64)| format!("{name} {:.1} %", 100.0 * chance);
    let first: Vec<String> = values.iter().take(4).map(percent).collect();
    let more = match values.len() - first.len() {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    format!("{}{more}", first.join(", "))
}

fn check(args: &DataArgs, quiet: bool) -> Outcome<ExitCode> {
    let (set, looked_at) = open(args)?;
    let bar = bar(set.len() as u64, "images", quiet);
    let report = data::check(set.as_ref(), |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    if args.json {
        answer!("{:#}", report_json(&report));
    } else {
        print_report(&report, looked_at);
    }
    picture_of(args, set.as_ref())?;
    Ok(if report.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(code::DATA) })
}

/// Some images of the whole set as a picture, where asked.
fn picture_of(args: &DataArgs, set: &dyn Dataset) -> Outcome {
    let Some(path) = &args.picture else { return Ok(()) };
    Outputs::default().overwrite(args.overwrite).spare(&args.source).check(path)?;
    let n = if set.shape().n_values() == 2 { set.len().min(2048) } else { set.len().min(64) };
    let mut values = Vec::with_capacity(n * set.shape().n_values());
    for index in data::spread(set.len(), n) {
        // Those that cannot be had are what `check` is for.
        values.extend(set.sample(index).map(|sample| sample.values).unwrap_or_default());
    }
    if values.is_empty() {
        say!("no picture is written: none of these images can be had");
        return Ok(());
    }
    let n = values.len() / set.shape().n_values();
    let made_of = json!({ "tool": onestep::TOOL, "data": args.source, "images": n }).to_string();
    Sheet::AUTO.write(path, &values, set.shape(), Some(&made_of))?;
    if !args.json {
        answer!("picture      {}", path.display());
    }
    Ok(())
}

fn report_json(report: &CheckReport) -> serde_json::Value {
    let bad: Vec<_> = report
        .bad
        .iter()
        .map(|bad| {
            let (error, cause) = (bad.error.to_string(), bad.cause());
            json!({ "index": bad.index, "source": bad.source, "error": error, "cause": cause })
        })
        .collect();
    json!({
        "images": report.n_samples, "height": report.shape.height, "width": report.shape.width,
        "channels": report.shape.channels, "classes": report.class_names, "class_counts": report.class_counts,
        "unlabelled": report.n_unlabelled, "mean": report.mean, "std": report.std, "bad": bad,
        "passed_over": report.passed_over, "hints": hints_json(&report.hints),
    })
}

/// What a hint is about, and the sentence that is printed.
fn hints_json(hints: &[Hint]) -> Vec<serde_json::Value> {
    let hint = |hint: &Hint| {
        let mut value = json!(hint);
        value["text"] = hint.to_string().into();
        value
    };
    hints.iter().map(hint).collect()
}

/// What lies beside the images, and what looks wrong with them.
fn print_notes(passed_over: &PassedOver, hints: &[Hint]) {
    if passed_over.n() > 0 {
        answer!("passed over  {passed_over}");
    }
    for hint in hints {
        answer!("hint         {hint}");
    }
}

fn print_report(report: &CheckReport, looked_at: Option<ImageSize>) {
    answer!("images       {} of {}, {} bad", report.n_samples, report.shape, report.bad.len());
    print_sizes(looked_at);
    for (name, count) in report.class_names.iter().zip(&report.class_counts) {
        answer!("class        {}: {count}", Classes::typed(std::slice::from_ref(name)));
    }
    let numbers = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
    answer!("mean         {}", numbers(&report.mean));
    answer!("deviation    {}", numbers(&report.std));
    print_notes(&report.passed_over, &report.hints);
    for bad in &report.bad {
        answer!("bad          {}: {}", bad.source, bad.cause());
    }
}
