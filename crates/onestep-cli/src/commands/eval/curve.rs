//! `onestep eval curve`: quality against cost, the picture by which samplers and models are chosen.

use std::cell::Cell;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use onestep::data::{OutputLock, Pixels, Rounding, ending, named_beside, write_whole};
use onestep::eval::curve::{CurvePoint, CurveReport, CurveSettings, MeasuredPoint};
use onestep::eval::{Collection, Images, Judge, Reference, Score, Selection, check_images, reference};
use onestep::model::Precision;
use onestep::{Model, OpenOptions};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::collecting::{Collecting, outputs};
use super::report::digits;
use super::samples::{protocol_of, require_model};
use super::{judge, spec};
use crate::args::{CurveArgs, MetricName, SamplerName};
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::print::{answer, say};
use crate::{device, model};

/// How long the images of a point took so far, beside its statistics.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Took {
    seconds: f64,
    n: usize,
}

/// Runs the command.
pub fn run(args: &CurveArgs, quiet: bool) -> Outcome<ExitCode> {
    let Some((source, models)) = args.paths.split_last() else {
        return Err(Failure::usage("name the models, and after them the reference"));
    };
    let protocol = protocol_of(args.network.protocol.as_deref())?;
    if !args.network.fewer {
        protocol.check_count(args.num_samples as usize)?;
    }
    if ending(&args.out).is_none_or(|ending| ending != "svg") {
        return Err(Failure::usage(format!("the picture is an .svg, not {}", args.out.display())));
    }
    if args.samplers.contains(&SamplerName::Multistep) {
        return Err(Failure::usage(
            "--samplers are for diffusion models; consistency models take --steps alone",
        ));
    }
    let outputs = outputs(args.overwrite, &args.paths);
    let files = [args.out.clone(), args.out.with_extension("json")];
    files.iter().try_for_each(|path| outputs.check(path))?;
    let device = device::open(args.with.device)?;
    let work = Collecting::listen(quiet)?;
    let counts = |counts: &[u32]| counts.iter().map(|&count| count as usize).collect();
    let settings = CurveSettings {
        steps: counts(&args.steps.0),
        ode_levels: counts(&args.ode_steps.0),
        samplers: args.samplers.iter().map(|name| name.sampler()).collect(),
        guidance: args.guidance.clone(),
    };
    let options = model::options(&args.with, protocol.precision(), &device, quiet);
    let mut opened: Vec<(&str, Model)> = Vec::new();
    for name in models {
        opened.extend(open_models(name, &settings, &options)?.into_iter().map(|model| (&**name, model)));
    }
    let folders = args.points.iter().map(PathBuf::as_path).chain(args.out.parent());
    for folder in folders.filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| io_failure("create the folder", folder, &error))?;
    }
    let _lock = OutputLock::acquire(&files[1])?;
    let judge = judge(&args.network, protocol, &[MetricName::Fd], &device);
    let found = reference::open(&args.size.of(spec(source)))?;
    let Some(real) = work.reference(&judge, (source, found), Selection::All)? else {
        return Ok(stopped(args));
    };
    let tasks: Vec<(&str, CurvePoint<'_>)> = opened
        .iter()
        .flat_map(|(name, model)| settings.points(model).into_iter().map(|point| (*name, point)))
        .collect();
    let mut points = Vec::new();
    for (number, (name, task)) in tasks.iter().enumerate() {
        match measure(name, task, args, &judge, &real, &work)? {
            Some(point) => {
                if !quiet {
                    let (at, n, value) = (number + 1, tasks.len(), digits(point.value));
                    say!(
                        "{at} of {n}: {}, {}, {} evaluations: {value}",
                        point.model,
                        point.sampler,
                        point.nfe
                    );
                }
                points.push(point);
            }
            None => return Ok(stopped(args)),
        }
    }
    let floor = real.floor()?.map(|Score { value, n, n_reference, .. }| {
        let other = n_reference.unwrap_or_default();
        (value, format!("half of the reference against the other: {other} and {n} images"))
    });
    // One device and one choice for all models.
    let precision = opened.iter().find_map(|(_, model)| model.precision()).unwrap_or(Precision::F32);
    let report = CurveReport { points, reference: source.clone(), floor, threads: device::threads() };
    files.iter().try_for_each(|path| outputs.check(path))?;
    show(args, &report, judge.network()?.name(), protocol.name, precision)
}

fn open_models(name: &str, settings: &CurveSettings, options: &OpenOptions) -> Outcome<Vec<Model>> {
    let models = settings.open(require_model(name)?, options)?;
    for model in &models {
        model.origin().into_iter().for_each(|origin| model::warn_of_damaged(&origin.skipped));
        check_images(name, model.shape().channels)?;
    }
    Ok(models)
}

/// Draws the images of a point and compares them; none if somebody asked to stop.
fn measure(
    name: &str,
    task: &CurvePoint<'_>,
    args: &CurveArgs,
    judge: &Judge,
    reference: &Reference,
    work: &Collecting,
) -> Outcome<Option<MeasuredPoint>> {
    let draw = task.draw().seeds(0..u64::from(args.num_samples)).batch(args.batch as usize).definite()?;
    let (sampler, nfe) = (draw.settings().sampler.name().to_owned(), draw.nfe());
    let guidance = draw.guidance();
    let subject = judge.subject(&draw)?;
    let kept = args.points.as_ref().map(|folder| folder.join(task.file_name(&subject)));
    let mut collection = Collection::begin(subject, kept.as_deref())?;
    let blocks = 0..collection.subject().n_blocks();
    let mut took = kept.as_deref().map_or_else(Took::default, Took::read);
    let images = Timed { images: &draw, took: Cell::default() };
    if !work.collect(judge, &images, &mut collection, blocks, kept.as_deref())? {
        return Ok(None);
    }
    took.add(images.took.get(), kept.as_deref())?;
    let found = judge.judge(&collection, reference)?.scores.into_iter().next();
    let found = found.ok_or_else(|| Failure::new(code::INTERNAL, "no score"))?;
    Ok(Some(MeasuredPoint {
        model: name.into(),
        sampler,
        steps: task.steps,
        nfe,
        guidance,
        seconds_per_image: took.seconds / took.n.max(1) as f64,
        metric: found.metric,
        value: found.value,
        n: found.n,
    }))
}

/// Images that say how long they took to make.
struct Timed<'a> {
    images: &'a dyn Images,
    took: Cell<Took>,
}

impl Images for Timed<'_> {
    fn n_images(&self) -> usize {
        self.images.n_images()
    }

    fn pixels(&self, range: Range<usize>, rounding: Rounding) -> onestep::Result<Vec<Pixels>> {
        let (started, Took { seconds, n }) = (Instant::now(), self.took.get());
        let pixels = self.images.pixels(range, rounding)?;
        self.took.set(Took { seconds: seconds + started.elapsed().as_secs_f64(), n: n + pixels.len() });
        Ok(pixels)
    }
}

impl Took {
    fn read(statistics: &Path) -> Self {
        let text = std::fs::read_to_string(statistics.with_extension("json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn add(&mut self, more: Self, statistics: Option<&Path>) -> Outcome {
        *self = Self { seconds: self.seconds + more.seconds, n: self.n + more.n };
        let Some(path) = statistics else { return Ok(()) };
        let text = serde_json::to_string(self).unwrap_or_default();
        Ok(write_whole(&path.with_extension("json"), |file| file.write_all(text.as_bytes()))?)
    }
}

/// Table, JSON and picture.
fn show(
    args: &CurveArgs,
    report: &CurveReport,
    network: &str,
    protocol: &str,
    precision: Precision,
) -> Outcome<ExitCode> {
    let CurveReport { points, reference, floor, threads } = report;
    let metric = report.metric();
    write_whole(&args.out, |file| file.write_all(report.svg().as_bytes()))?;
    let json = json!({
        "tool": onestep::TOOL, "files": named_beside(&args.out)?, "reference": reference, "network": network, "protocol": protocol, "points": points,
        "floor": floor.as_ref().map(|(value, of)| json!({ "metric": metric, "value": value, "of": of })),
        "threads": threads, "batch": args.batch, "precision": precision.name(),
    });
    let beside = args.out.with_extension("json");
    write_whole(&beside, |file| file.write_all(format!("{json:#}\n").as_bytes()))?;
    if args.json {
        answer!("{json:#}");
        return Ok(ExitCode::SUCCESS);
    }
    answer!(
        "{metric:>11}  {:>5}  {:>10}  {:>8}  {:>8}  {:<10}  model",
        "NFE",
        "s/image",
        "images",
        "guidance",
        "sampler"
    );
    for point in points {
        let MeasuredPoint { model, sampler, nfe, guidance, seconds_per_image, value, n, .. } = point;
        let (value, seconds) = (digits(*value), digits(*seconds_per_image));
        let guidance = guidance.map_or_else(|| "none".into(), |scale| scale.to_string());
        answer!("{value:>11}  {nfe:>5}  {seconds:>10}  {n:>8}  {guidance:>8}  {sampler:<10}  {model}");
    }
    if let Some((value, of)) = floor {
        answer!("{:>11}  {of}", digits(*value));
    }
    answer!(
        "reference  {reference}\nnetwork    {network}\nprotocol   {protocol}\nprecision  {}",
        precision.name()
    );
    answer!("{}\n{}", args.out.display(), beside.display());
    Ok(ExitCode::SUCCESS)
}

fn stopped(args: &CurveArgs) -> ExitCode {
    match &args.points {
        Some(folder) => {
            say!(
                "stopped; the points so far are in {}: the same command goes on from there",
                folder.display()
            );
        }
        None => say!("stopped; with --points FOLDER, the same command would go on from here"),
    }
    ExitCode::from(code::STOPPED)
}
