//! `onestep search`: the noise levels that a model samples or edits best with.

mod edited;

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use onestep::checkpoint::{load_model, save_model};
use onestep::data::Pixels;
use onestep::edit::Task;
use onestep::eval::{Images, Judge, Made, Metric, Reference, Selection, reference};
use onestep::noise::{LevelsError, SamplingLevels};
use onestep::observer::Flow;
use onestep::sample::{Found, Plan, generate, search_levels};
use serde_json::json;

use super::edit::open_model;
use super::eval::collecting::{Collecting, create_parent};
use super::eval::{judge, spec};
use crate::args::{MetricName, NetworkArgs, SearchArgs};
use crate::failure::{Failure, Outcome, code};
use crate::old_model::{self as model, Opened};
use crate::signals::StopFlag;
use crate::{device, progress};
use edited::{Edited, Originals};

/// Images that the feature network sees together.
const SEEN_TOGETHER: u32 = 16;

/// Runs the command.
pub fn run(args: &SearchArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.with.device)?;
    let stop = StopFlag::listen()?;
    let mut opened = open_model(&args.model, &args.with.weights, &device)?;
    opened.model = opened.model.with_precision(args.with.precision.precision());
    let [side, ..] = opened.model.network().image();
    if let Some(file) = &args.write {
        if file.is_dir() {
            return Err(Failure::usage(format!(
                "--write names a model file, and {} is a folder",
                file.display()
            ))
            .hint("a run folder keeps its checkpoints as they are; write a file beside it"));
        }
        create_parent(Some(file))?;
    }
    let network = NetworkArgs {
        features: args.features.clone(),
        protocol: None,
        fewer: true,
        feature_batch: SEEN_TOGETHER,
    };
    let judge = judge(&network, Default::default(), &[MetricName::Fd], &device);
    let found = reference::open(&spec(&args.reference, Some(side)))?;
    let task = args.task.task();
    let originals = task.map(|task| Originals::open(task, args, &opened, &device)).transpose()?;
    let work = Collecting { stop: stop.clone(), quiet };
    let mut bar = work.bar("real images");
    let seen = judge.reference(found, &args.reference, Selection::All, &mut bar)?;
    bar.finish();
    let Some(real) = seen else { return Ok(stopped()) };
    let trial = Trial {
        opened: &opened,
        originals: originals.as_ref(),
        n: args.num_samples as usize,
        batch: args.batch as usize,
        judge: &judge,
        reference: &real,
        device: &device,
        stop: &stop,
    };
    let range = opened.model.range();
    let grid =
        SamplingLevels::karras(args.grid as usize, range.sigma_min, range.sigma_max, opened.header.rho)?;
    let bar = progress::bar(0, "lists of levels", quiet);
    let mut objective = |levels: &SamplingLevels| {
        let value = trial.distance(levels)?.ok_or(End::Stopped);
        bar.inc(1);
        value
    };
    // Drawing starts from nothing, so at σ_max; an edit may start anywhere.
    let given: &[usize] = if task.is_some() { &[] } else { &[0] };
    let found = match search_levels(&grid, given, args.steps as usize, &mut objective) {
        Err(End::Stopped) => return Ok(stopped()),
        Err(End::Failed(failure)) => return Err(failure),
        Ok(found) => found,
    };
    bar.finish_and_clear();
    if let Some(file) = &args.write {
        write(file, args, task, &found)?;
    }
    show(args, &found, &judge, trial.n_images())
}

/// Why a search ended before its end.
enum End {
    /// Somebody asked to stop.
    Stopped,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<LevelsError> for End {
    fn from(error: LevelsError) -> Self {
        Self::Failed(error.into())
    }
}

fn stopped() -> ExitCode {
    eprintln!("stopped; nothing was written");
    ExitCode::from(code::STOPPED)
}

/// Everything but the levels.
struct Trial<'a> {
    opened: &'a Opened,
    originals: Option<&'a Originals>,
    n: usize,
    batch: usize,
    judge: &'a Judge,
    reference: &'a Reference,
    device: &'a Device,
    stop: &'a StopFlag,
}

impl Trial<'_> {
    /// How many images are made.
    fn n_images(&self) -> usize {
        self.originals.map_or(self.n, Originals::n)
    }

    /// The Fréchet distance of images made at some levels; none if somebody asked to stop meanwhile.
    fn distance(&self, levels: &SamplingLevels) -> Outcome<Option<f64>> {
        let &Self { opened, batch, device, .. } = self;
        let Some(originals) = self.originals else {
            let plan = Plan::Multistep(levels.clone());
            let seeds: Vec<u64> = (0..self.n as u64).collect();
            let [height, width, channels] = opened.model.network().image();
            let labels = onestep::sample::classes_of_seeds(&seeds, opened.model.network().n_classes());
            let drawing = onestep::sample::Drawing {
                model: &opened.model,
                shape: onestep::data::ImageShape { height, width, channels },
                plan: &plan,
                seeds: &seeds,
                labels: labels.as_deref(),
                batch,
                device,
            };
            let pixels = |range, rounding| {
                let samples = generate(&drawing.part(range), &mut ())?;
                Ok(samples.pixels(rounding)?.into_iter().map(Pixels::into_rgb).collect())
            };
            return self.judge(&Made { n: self.n, pixels });
        };
        self.judge(&Edited { originals, opened, levels, batch, device })
    }

    fn judge(&self, images: &dyn Images) -> Outcome<Option<f64>> {
        let mut observer = |_: &_| if self.stop.is_set() { Flow::Stop } else { Flow::Continue };
        let Some(seen) = self.judge.collect_all(images, &mut observer)? else { return Ok(None) };
        let scores = self.judge.judge(&seen, self.reference)?.scores;
        Ok(scores.first().map(|score| score.value))
    }
}

/// Writes a copy of the model that carries the levels.
fn write(file: &Path, args: &SearchArgs, task: Option<Task>, found: &Found) -> Outcome {
    // Read again: a precision or an average chosen for the search is no part of the copy's header.
    let loaded = load_model(&args.model, &model::which(&args.with.weights))?;
    let mut header = loaded.header.clone();
    let levels = found.levels.as_slice().to_vec();
    match task {
        Some(task) => {
            header.task_levels.insert(task.name().to_owned(), levels);
        }
        None => header.sampling_levels = Some(levels),
    }
    let network = header.architecture.build()?;
    let weights = loaded.weights(network.parameters(), &Device::flex())?;
    Ok(save_model(file, &header, &weights)?)
}

fn show(args: &SearchArgs, found: &Found, judge: &Judge, n: usize) -> Outcome<ExitCode> {
    let metric = Metric::Frechet.label(judge.network()?.name());
    if args.json {
        let tried: Vec<_> = found
            .tried
            .iter()
            .map(|(indices, value)| json!({ "indices": indices, "value": value }))
            .collect();
        let report = json!({
            "tool": onestep::TOOL, "model": args.model, "reference": args.reference, "task": format!("{:?}", args.task).to_lowercase(),
            "indices": found.indices, "grid": args.grid, "levels": found.levels.as_slice(), "metric": metric,
            "value": found.value, "n": n, "tried": tried,
        });
        println!("{report:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let levels: Vec<String> = found.levels.as_slice().iter().map(|level| format!("{level:.4}")).collect();
    let indices: Vec<String> = found.indices.iter().map(usize::to_string).collect();
    println!("levels     {}", levels.join(","));
    println!("indices    {}/{}", indices.join(","), args.grid);
    println!("{metric}  {:.3} of {n} images ({} lists tried)", found.value, found.tried.len());
    match &args.write {
        Some(file) => println!("{}", file.display()),
        None => {
            println!("use them with --levels {}, or keep them in a model with --write FILE", levels.join(","))
        }
    }
    Ok(ExitCode::SUCCESS)
}
