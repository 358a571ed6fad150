//! `onestep search`: the noise levels that a model samples or edits best with.

mod edited;

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use onestep::checkpoint::{load_model, save_model};
use onestep::edit::Task;
use onestep::eval::{Collection, Generated, Metric, Protocol, Reference, Subject, collect, score};
use onestep::noise::{LevelsError, SamplingLevels};
use onestep::sample::{Found, Plan, search_levels};
use serde_json::json;

use super::edit::open_model;
use super::eval::collecting::{Collecting, create_parent};
use super::eval::samples::protocol_of;
use super::eval::{LazyNetwork, reference};
use crate::args::SearchArgs;
use crate::failure::{Failure, Outcome, code};
use crate::old_model::{self as model, Opened};
use crate::signals::StopFlag;
use crate::{device, progress};
use edited::{Edited, Originals};

/// Images that the feature network sees together.
const SEEN_TOGETHER: usize = 16;

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
    let protocol = protocol_of(None)?;
    let network = LazyNetwork::new(&args.features, &protocol, &device);
    let found = reference::find(&args.reference, Some(side))?;
    let task = args.task.task();
    let originals = task.map(|task| Originals::open(task, args, &opened, &device)).transpose()?;
    let wanted = reference::Wanted { source: &args.reference, numbers: None, kept: 0 };
    let work = Collecting { stop: stop.clone(), quiet, batch: SEEN_TOGETHER };
    let Some(real) = reference::open(found, &wanted, &network, &protocol, &work)? else {
        return Ok(stopped());
    };
    let trial = Trial {
        opened: &opened,
        originals: originals.as_ref(),
        n: args.num_samples as usize,
        batch: args.batch as usize,
        network: &network,
        protocol: &protocol,
        reference: &real.reference,
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
    show(args, &found, &network, trial.n_images())
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
    network: &'a LazyNetwork<'a>,
    protocol: &'a Protocol,
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
        let &Self { opened, batch, protocol, device, stop, .. } = self;
        let network = self.network.get()?;
        let mut collection =
            Collection::new(Subject::new(network, String::new(), self.n_images(), protocol, 0))?;
        let blocks = 0..collection.subject().n_blocks();
        let go_on = &mut |_, _: &_| Ok(!stop.is_set());
        match self.originals {
            Some(originals) => {
                let images = Edited { originals, opened, levels, batch, device };
                collect(&images, network, &mut collection, blocks, SEEN_TOGETHER, go_on)?;
            }
            None => {
                let plan = Plan::Multistep(levels.clone());
                let seeds: Vec<u64> = (0..self.n as u64).collect();
                let [height, width, channels] = opened.model.network().image();
                let labels = onestep::sample::classes_of_seeds(&seeds, opened.model.network().n_classes());
                let images = Generated {
                    drawing: onestep::sample::Drawing {
                        model: &opened.model,
                        shape: onestep::data::ImageShape { height, width, channels },
                        plan: &plan,
                        seeds: &seeds,
                        labels: labels.as_deref(),
                        batch,
                        device,
                    },
                    rounding: protocol.rounding,
                };
                collect(&images, network, &mut collection, blocks, SEEN_TOGETHER, go_on)?;
            }
        }
        if stop.is_set() {
            return Ok(None);
        }
        let scores = score(&[Metric::Frechet], &collection, self.reference, protocol)?;
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
