//! `onestep search`: the noise levels that a model samples or edits best with.

use std::process::ExitCode;

use onestep::data::{DataSpec, Dataset, Labels, Outputs, Pixels, Rounding};
use onestep::edit::{Colorize, Inpaint, SuperResolve, Task};
use onestep::eval::{Made, Metric, Selection, reference};
use onestep::model::{Precision, PrecisionChoice};
use onestep::observer::Flow;
use onestep::sample::Found;
use onestep::{LevelSearch, Model, Trial};
use serde_json::json;

use super::eval::collecting::{Collecting, create_parent};
use super::eval::{judge, spec};
use crate::args::{MetricName, NetworkArgs, SearchArgs, SearchTask};
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, say};
use crate::{device, model, progress};

/// Images that the feature network sees together.
const SEEN_TOGETHER: u32 = 16;

/// Share of a side that is to be filled in, in the middle.
const MISSING: f64 = 0.5;

/// How many times larger images are made.
const FACTOR: usize = 4;

/// Runs the command.
pub fn run(args: &SearchArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.with.device)?;
    let work = Collecting::listen(quiet)?;
    let options = model::options(&args.with, PrecisionChoice::Auto, &device, quiet);
    let opened = model::open(&args.model, &options)?;
    opened.check_editing()?;
    let opened = match args.guidance {
        Some(scale) => opened.guided(scale)?,
        None => opened,
    };
    if let Some(file) = &args.write {
        if file.is_dir() {
            return Err(Failure::usage(format!(
                "--write names a model file, and {} is a folder",
                file.display()
            ))
            .hint("a run folder keeps its checkpoints as they are; write a file beside it"));
        }
        // The model itself may be named: its copy carries all that it does.
        Outputs::default().overwrite(args.overwrite).spare(&args.reference).check(file)?;
        create_parent(Some(file))?;
    }
    let network = NetworkArgs {
        features: Some(args.features.clone()),
        protocol: None,
        fewer: true,
        feature_batch: SEEN_TOGETHER,
    };
    let judge = judge(&network, Default::default(), &[MetricName::Fd], &device);
    let size = opened.shape().size();
    let found = reference::open(&DataSpec { image_size: Some(size), ..spec(&args.reference) })?;
    let search = search(args, &opened)?;
    let Some(real) = work.reference(&judge, (&args.reference, found), Selection::All)? else {
        return Ok(stopped());
    };
    work.heed(None);
    let bar = progress::bar(0, "lists of levels", quiet);
    let mut distance = |trial: &Trial<'_>| -> Result<f64, End> {
        let pixels = |range, rounding| -> onestep::Result<Vec<Pixels>> {
            // Edited images are judged as the sampler of the first consistency models wrote them.
            let rounding = if args.task == SearchTask::Sample { rounding } else { Rounding::Truncate };
            Ok(trial.samples(range)?.pixels(rounding)?.into_iter().map(Pixels::into_rgb).collect())
        };
        let mut observer = |_: &_| if work.stop.is_set() { Flow::Stop } else { Flow::Continue };
        let seen = judge.collect_all(&Made { n: trial.n(), pixels }, &mut observer)?.ok_or(End::Stopped)?;
        bar.inc(1);
        judge.judge(&seen, &real)?.scores.first().map(|score| score.value).ok_or(End::Stopped)
    };
    let found = match search.run(&mut distance) {
        Err(End::Stopped) => return Ok(stopped()),
        Err(End::Failed(failure)) => return Err(failure),
        Ok(found) => found,
    };
    bar.finish_and_clear();
    if let Some(file) = &args.write {
        opened.save_with_levels(file, args.task.task(), &found.levels)?;
    }
    let metric = Metric::Frechet.label(judge.network()?.name());
    show(args, &opened, &found, &metric, search.n_images())
}

/// What is tried: drawing, or editing the images of the reference.
fn search<'a>(args: &SearchArgs, model: &'a Model) -> Outcome<LevelSearch<'a>> {
    let search = model
        .search_levels()
        .steps(args.steps as usize)
        .grid(args.grid as usize)
        .images(args.num_samples as usize)
        .batch(args.batch as usize);
    let (size, labels) = (model.shape().size(), Labels::from(model.n_classes().is_some()));
    let open = || -> onestep::Result<Box<dyn Dataset>> {
        let image_size = Some(size);
        Ok(onestep::data::open(&DataSpec { labels, image_size, ..spec(&args.reference) })?)
    };
    Ok(match args.task {
        SearchTask::Sample => search,
        SearchTask::Inpaint => search.editing(Inpaint::middle(size, MISSING, model.device()), &*open()?)?,
        SearchTask::Colorize => search.editing(Colorize::default(), &*open()?)?,
        SearchTask::SuperResolve => search.editing(SuperResolve::new(FACTOR), &*open()?)?,
    })
}

/// Why a search ended before its end.
enum End {
    /// Somebody asked to stop.
    Stopped,
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn stopped() -> ExitCode {
    say!("stopped; nothing was written, the same command begins anew");
    ExitCode::from(code::STOPPED)
}

fn show(args: &SearchArgs, model: &Model, found: &Found, metric: &str, n: usize) -> Outcome<ExitCode> {
    let (precision, guidance) = (model.precision().unwrap_or(Precision::F32), model.guidance());
    if args.json {
        let tried: Vec<_> = found
            .tried
            .iter()
            .map(|(indices, value)| json!({ "indices": indices, "value": value }))
            .collect();
        let report = json!({
            "tool": onestep::TOOL, "model": args.model, "reference": args.reference,
            "task": args.task.task().map_or("sample", Task::name),
            "indices": found.indices, "grid": args.grid, "levels": found.levels.as_slice(), "metric": metric,
            "value": found.value, "n": n, "guidance": guidance, "precision": precision.name(), "tried": tried,
        });
        answer!("{report:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let levels: Vec<String> = found.levels.as_slice().iter().map(|level| format!("{level:.4}")).collect();
    let indices: Vec<String> = found.indices.iter().map(usize::to_string).collect();
    answer!("levels     {}", levels.join(","));
    if let Some(scale) = guidance {
        answer!("guidance   {scale}");
    }
    answer!("indices    {}/{}", indices.join(","), args.grid);
    let (n_tried, precision) = (found.tried.len(), precision.name());
    answer!("{metric}  {:.3} of {n} images in {precision} ({n_tried} lists tried)", found.value);
    let levels = levels.join(",");
    // A scale is no part of a model's file: whoever draws asks for it again.
    let with = args.guidance.map_or_else(String::new, |scale| format!(" --guidance {scale}"));
    match &args.write {
        Some(file) if with.is_empty() => answer!("{}", file.display()),
        Some(file) => answer!("{}, for{with}", file.display()),
        None => answer!("use them with --levels {levels}{with}, or keep them in a model with --write FILE"),
    }
    Ok(ExitCode::SUCCESS)
}
