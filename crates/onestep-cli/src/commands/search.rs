//! `onestep search`: the noise levels that a model samples or edits best with.

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::{DataSpec, Dataset, ImageShape, Pixels};
use onestep::edit::{Colorize, Constraint, Edit, Inpaint, SuperResolve, Task, sample_edit};
use onestep::eval::{
    Collection, FeatureNetwork, Generated, Images, Metric, Protocol, Reference, Subject, collect, score,
};
use onestep::model::Condition;
use onestep::noise::{SamplingLevels, SeedNoise};
use onestep::sample::{Found, Plan, Request, search_levels};
use onestep::train::checkpoint::{Which, load_model, save_model};
use serde_json::json;

use super::edit::open_model;
use super::eval::collecting::{Collecting, create_parent};
use super::eval::samples::{protocol_of, spec};
use super::eval::{LazyNetwork, reference, refuse_points};
use crate::args::SearchArgs;
use crate::failure::{Failure, Outcome, code};
use crate::model::{self, Opened};
use crate::signals::StopFlag;
use crate::{device, progress};

/// Share of the middle square that is to be filled in, a side.
const MISSING: f64 = 0.5;

/// How many times larger images are made.
const FACTOR: usize = 4;

/// Runs the command.
pub fn run(args: &SearchArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.device)?;
    let stop = StopFlag::listen()?;
    let mut opened = open_model(&args.model, &args.weights, &device)?;
    opened.model = opened.model.with_precision(args.precision.precision());
    let [side, _, channels] = opened.model.network().image();
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
    let protocol = protocol_of(None)?;
    let network = LazyNetwork::new(&args.features, &protocol, &device);
    let work = Collecting { stop: stop.clone(), quiet, batch: 16 };
    let n = args.num_samples as usize;
    let set = onestep::data::open(&DataSpec { labels: true, ..spec(&args.reference, Some(side)) })?;
    refuse_points(&args.reference, set.shape().channels)?;
    let wanted = reference::Wanted { source: &args.reference, numbers: None, kept: 0 };
    let found = reference::find(&args.reference, Some(side))?;
    let Some(real) = reference::open(found, &wanted, &network, &protocol, &work)? else {
        return Ok(stopped());
    };
    let images = set.len().min(n);
    if args.task.task().is_some()
        && opened.model.network().n_classes().is_some()
        && set.class_names().is_empty()
    {
        let message = format!("the model wants the class of every image, and {} has none", args.reference);
        return Err(Failure::usage(message).hint("name a reference with labels"));
    }
    let task = match args.task.task() {
        Some(task) => Some(TaskOn::new(task, &*set, images, [side, side, channels], &device)?),
        None => None,
    };
    let range = opened.model.range();
    let grid =
        SamplingLevels::karras(args.grid as usize, range.sigma_min, range.sigma_max, opened.header.rho)?;
    let bar = progress::bar(0, "lists of levels", quiet);
    let mut objective =
        |levels: &SamplingLevels| -> onestep::Result<f64> {
            let value = try_levels(
                levels,
                &task,
                &opened,
                n,
                args.batch as usize,
                &network,
                &protocol,
                &real.reference,
                &device,
            );
            bar.inc(1);
            // The search knows the library's errors alone; a stop goes through it as the plainest of them.
            value
                .map_err(|error| match (stop.is_set(), error) {
                    (true, _) => onestep::noise::LevelsError::Empty.into(),
                    (false, error) => error,
                })
                .and_then(|value| {
                    if stop.is_set() { Err(onestep::noise::LevelsError::Empty.into()) } else { Ok(value) }
                })
        };
    // Drawing starts from nothing, so at σ_max; an edit may start anywhere.
    let given: &[usize] = if task.is_some() { &[] } else { &[0] };
    let found = match search_levels(&grid, given, args.steps as usize, &mut objective) {
        Err(_) if stop.is_set() => return Ok(stopped()),
        found => found?,
    };
    bar.finish_and_clear();
    if let Some(file) = &args.write {
        write(file, args, task.as_ref().map(|task| task.task), &found)?;
    }
    show(args, &found, &network, n)
}

fn stopped() -> ExitCode {
    eprintln!("stopped; nothing was written");
    ExitCode::from(code::STOPPED)
}

/// The Fréchet distance of images made at some levels.
#[allow(clippy::too_many_arguments, reason = "everything but the levels is fixed by the caller")]
fn try_levels(
    levels: &SamplingLevels,
    task: &Option<TaskOn>,
    opened: &Opened,
    n: usize,
    batch: usize,
    network: &LazyNetwork<'_>,
    protocol: &Protocol,
    reference: &Reference,
    device: &Device,
) -> onestep::Result<f64> {
    let network: &dyn FeatureNetwork = network.get().map_err(|_| onestep::noise::LevelsError::Empty)?;
    let plan = Plan::Multistep(levels.clone());
    let seeds: Vec<u64> = (0..n as u64).collect();
    let drawn = Generated {
        model: &opened.model,
        plan: &plan,
        seeds: &seeds,
        labels: None,
        rounding: protocol.rounding,
        batch,
        device,
    };
    let edited;
    let (images, n): (&dyn Images, usize) = match task {
        Some(task) => {
            edited = Edited { task, opened, levels, batch, device };
            (&edited, task.n)
        }
        None => (&drawn, n),
    };
    let mut collection = Collection::new(Subject::new(network, String::new(), n, protocol, 0))?;
    let blocks = 0..collection.subject().n_blocks();
    collect(images, network, &mut collection, blocks, 16, &mut |_, _| Ok(true))?;
    let scores = score(&[Metric::Frechet], &collection, reference, protocol)?;
    Ok(scores.first().map_or(f64::NAN, |score| score.value))
}

/// An edit of the images of a data set.
struct TaskOn {
    task: Task,
    constraint: Box<dyn Constraint>,
    /// `[n, side, side, channels]`, flat.
    values: Vec<f32>,
    labels: Vec<usize>,
    shape: [usize; 3],
    n: usize,
}

impl TaskOn {
    fn new(task: Task, set: &dyn Dataset, n: usize, shape: [usize; 3], device: &Device) -> Outcome<Self> {
        let [side, _, channels] = shape;
        let constraint: Box<dyn Constraint> = match task {
            Task::Inpaint => {
                let hole = (side as f64 * MISSING / 2.0).round() as usize;
                let hole = side / 2 - hole..side / 2 + hole;
                let known = (0..side * side).map(|i| {
                    if hole.contains(&(i / side)) && hole.contains(&(i % side)) { 0.0 } else { 1.0 }
                });
                Box::new(Inpaint::new(&known.collect::<Vec<f32>>(), [side, side], device)?)
            }
            Task::Colorize => Box::new(Colorize::default()),
            _ => Box::new(SuperResolve::new(FACTOR)),
        };
        constraint.check([n, side, side, channels])?;
        let mut values = Vec::with_capacity(n * side * side * channels);
        let mut labels = Vec::with_capacity(n);
        for index in 0..n {
            let sample = set.sample(index)?;
            values.extend(sample.values);
            labels.extend(sample.label);
        }
        Ok(Self { task, constraint, values, labels, shape, n })
    }
}

/// Images of a data set, edited.
struct Edited<'a> {
    task: &'a TaskOn,
    opened: &'a Opened,
    levels: &'a SamplingLevels,
    batch: usize,
    device: &'a Device,
}

impl Images for Edited<'_> {
    fn pixels(&self, range: Range<usize>) -> onestep::Result<Vec<Pixels>> {
        let [height, width, channels] = self.task.shape;
        let shape = ImageShape { height, width, channels };
        let mut pictures = Vec::with_capacity(range.len());
        for start in range.clone().step_by(self.batch) {
            let part = start..range.end.min(start + self.batch);
            let n_values = shape.n_values();
            let values = self.task.values[part.start * n_values..part.end * n_values].to_vec();
            let dims = [part.len(), height, width, channels];
            let images = Tensor::from_data(TensorData::new(values, dims), self.device);
            let edit = Edit::of(&*self.task.constraint, images)?;
            let takes_class = self.opened.model.network().n_classes().is_some();
            let labels = takes_class.then(|| self.task.labels[part.clone()].to_vec());
            let condition = Condition { labels, ..Condition::default() };
            let request = Request {
                shape: dims,
                condition: &condition,
                clamp: true,
                device: self.device,
                on_estimate: &mut |_| true,
            };
            let seeds: Vec<u64> = part.map(|index| index as u64).collect();
            let edited =
                sample_edit(&self.opened.model, self.levels, &edit, &mut SeedNoise::new(&seeds), request)?;
            for values in edited.into_data().iter::<f32>().collect::<Vec<_>>().chunks_exact(n_values) {
                pictures.push(Pixels::from_values(values, shape, Default::default())?.into_rgb());
            }
        }
        Ok(pictures)
    }
}

/// Writes a copy of the model that carries the levels.
fn write(file: &Path, args: &SearchArgs, task: Option<Task>, found: &Found) -> Outcome {
    // Read again: a precision or an average chosen for the search is no part of the copy's header.
    let which: Which = model::which(&args.weights);
    let loaded = load_model(&args.model, &which)?;
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

fn show(args: &SearchArgs, found: &Found, network: &LazyNetwork<'_>, n: usize) -> Outcome<ExitCode> {
    let metric = Metric::Frechet.label(network.get()?.name());
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
