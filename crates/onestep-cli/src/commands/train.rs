//! `onestep train`: a run from a recipe, which can be stopped and continued anywhere.

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use onestep::Error;
use onestep::checkpoint::{Which, read_header};
use onestep::data::{self, DataError, DataSpec, Dataset, Split};
use onestep::distributed::World;
use onestep::model::n_parameters;
use onestep::objective::Distance;
use onestep::train::{self, DiskForecast, Extend, MemoryForecast, Recipe, Resumed, Run, RunBuilder};
use onestep_bench::human_bytes;

use super::recipe::{human_images, in_recipe, read_draft};
use crate::args::{ExtendName, SizeArgs, TrainArgs};
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, answer_text, say, typed};
use crate::progress::Watch;
use crate::ranks::{self, Follower, Ranks};
use crate::signals::StopFlag;
use crate::{device, features, memory, model};

/// Runs the command.
pub fn run(args: TrainArgs, quiet: bool) -> Outcome<ExitCode> {
    // Until the first step there is nothing to save, and a signal ends the process at once.
    let stop = StopFlag::listen()?;
    if args.dry_run {
        let asked = resolve(&args)?;
        return dry_run(&args, asked);
    }
    let out = args.out.as_deref().ok_or_else(|| Failure::usage("give the run a folder: --out runs/NAME"))?;
    let (ranks, world) = Ranks::join(&args.ranks)?;
    let ended = train(&args, out, world, &ranks, stop, quiet);
    let done = match ended {
        Ok(train::Outcome::Finished) => ExitCode::SUCCESS,
        Ok(train::Outcome::Stopped) => ExitCode::from(code::STOPPED),
        // What all ranks have come to, one tells, before any of them ends: a launcher ends the others then.
        Err(failure) if ranks.size > 1 && failure.library().is_some_and(ranks::is_common) => {
            if ranks.leads() { failure.report() } else { failure.code() }
        }
        Err(failure) => return Err(failure),
    };
    ranks.end();
    Ok(done)
}

/// This rank's part in the run; that of rank 0 is to tell how it goes.
fn train(
    args: &TrainArgs,
    out: &Path,
    world: World,
    ranks: &Ranks,
    stop: StopFlag,
    quiet: bool,
) -> Outcome<train::Outcome> {
    let asked = resolve(args)?;
    let builder = builder(args, asked, ranks.here)?.world(world);
    let mut run = if args.resume { builder.resume(out)? } else { builder.create(out)? };
    if !ranks.leads() {
        return Ok(run.train(&mut Follower { stop })?);
    }
    model::warn_of_damaged(run.damaged());
    warn_of_short_disk(&run.disk());
    let train = run.recipe().train.clone();
    if !quiet {
        describe(&run, args.resume, ranks);
        model::say_what_replaces(train.precision.into(), &device::open(args.device)?, quiet);
    }
    let shape = run.trainer().data().shape();
    let mut watch = Watch::new(out, train.steps, quiet, stop)?.show(args.show.show, shape);
    let ended = run.train(&mut watch)?;
    if let Some(error) = watch.log_error() {
        say!("warning: events.jsonl is incomplete: {error}");
    }
    answer!("{}", out.display());
    if !quiet {
        say_what_next(&run, ended);
    }
    Ok(ended)
}

/// A run of what was asked for, with everything that this machine decides, which so many processes share.
fn builder(args: &TrainArgs, Asked { mut recipe, data }: Asked, n_here: usize) -> Outcome<RunBuilder> {
    if let Some(kind) = recipe.distance().and_then(Distance::perceptual) {
        // The run's recipe names what was found in the cache.
        recipe.train.distance_files = features::weight_files(kind, &recipe.train.distance_files)?;
    }
    let device = device::open(args.device)?;
    let on_cpu = device == Device::flex();
    let mut builder = RunBuilder::new(recipe).data(data).device(device);
    if let (true, Some(bytes)) = (on_cpu, memory::available()) {
        builder = builder.available_memory(bytes / n_here as u64);
    }
    Ok(match args.extend {
        Some(ExtendName::Schedule) => builder.extend(Extend::Schedule),
        Some(ExtendName::End) => builder.extend(Extend::End),
        None => builder,
    })
}

fn warn_of_short_disk(disk: &DiskForecast) {
    if let (true, Some(available)) = (disk.is_short(), disk.available) {
        say!(
            "warning: the disk has room for {}, and {} checkpoints of {} need {}; train.keep says how many are kept",
            human_bytes(available),
            disk.n_checkpoints,
            human_bytes(disk.checkpoint),
            human_bytes(disk.needed())
        );
    }
}

/// What begins, and from where.
fn describe(run: &Run, asked_to_resume: bool, ranks: &Ranks) {
    let train = &run.recipe().train;
    let processes = match ranks.size {
        1 => String::new(),
        n => format!("{n} processes, {} shards · ", train.n_shards()),
    };
    say!(
        "{}: {} on {} images · {:.2} M parameters · {} steps of {} · {processes}{}",
        run.recipe().name,
        run.recipe().method(),
        run.trainer().data().len(),
        run.trainer().student().weights().n_parameters() as f64 / 1e6,
        train.steps,
        train.batch,
        device::described(run.trainer().device()),
    );
    let images = run.trainer().data();
    if images.shape().height * images.shape().width > 1 {
        data::hints(images, Some(train.batch)).iter().for_each(|hint| say!("hint: {hint}"));
    }
    match run.resumed() {
        Some(Resumed { step, checkpoint, .. }) => {
            say!("goes on after step {step} of {}, from {}", train.steps, checkpoint.display());
        }
        None if asked_to_resume => {
            say!("{} holds no checkpoint: this starts a new run", run.folder().display());
        }
        None => {}
    }
}

/// What to type now.
fn say_what_next(run: &Run, ended: train::Outcome) {
    let (folder, step, steps) =
        (typed(run.folder().display()), run.trainer().state().step, run.recipe().train.steps);
    if ended == train::Outcome::Stopped {
        say!("stopped after step {step} of {steps}; go on with: onestep train --resume --out {folder}");
        return;
    }
    say!("finished; draw from it: onestep sample {folder} --out samples.png");
    let shape = run.trainer().data().shape();
    if shape.height * shape.width > 1 {
        say!("judge it:             onestep eval {folder} {}", reference(&run.recipe().data));
    }
    say!("train it longer:      onestep train --resume --out {folder} --set train.steps={}", 2 * steps);
}

/// The data of a run as `eval` is told of them: the part that was held back where that is what it learnt from, in the run's size.
fn reference(data: &DataSpec) -> String {
    let part = match data.split {
        Some(split @ (Split::Val | Split::Test)) => format!(":{split}"),
        // What models learn from needs no word.
        Some(Split::Train) | None => String::new(),
    };
    typed(format_args!("{}{part}", data.source)) + &SizeArgs::in_spec(data).typed()
}

/// What was asked for.
struct Asked {
    recipe: Recipe,
    data: Box<dyn Dataset>,
}

/// The recipe with everything typed applied, and its data; a resumed run's own recipe where none is named.
fn resolve(args: &TrainArgs) -> Outcome<Asked> {
    match (&args.recipe, &args.out) {
        (Some(name), _) => {
            let mut draft = read_draft(name, &args.settings)?;
            apply(args, &mut draft);
            if let (true, Some(teacher)) = (args.like_teacher, &args.teacher) {
                let teacher = read_header(teacher, &Which::Best)?;
                draft = draft.with_network_of(&teacher.header.architecture)?;
            }
            let data = open_data(&draft.data).inspect_err(|_| {
                // What can be told without data is told all the same.
                if let (true, Ok(recipe)) = (args.dry_run, draft.as_it_stands()) {
                    let _ = print_forecast(&recipe);
                }
            })?;
            let recipe = draft.settled(data.as_ref()).map_err(|error| in_recipe(name, error))?;
            Ok(Asked { recipe, data })
        }
        (None, Some(out)) => {
            let mut recipe = Run::recipe_in(out, &args.settings).map_err(|error| match error {
                Error::Recipe(error) => in_recipe(&out.join("recipe.toml").display().to_string(), error),
                error => error.into(),
            })?;
            apply(args, &mut recipe);
            let data = open_data(&recipe.data)?;
            Ok(Asked { recipe, data })
        }
        (None, None) => Err(Failure::usage("name a recipe, or the folder of a run to resume")),
    }
}

/// The data of a recipe, and how to say where they are if they are not where it says.
fn open_data(spec: &DataSpec) -> Outcome<Box<dyn Dataset>> {
    data::open(spec).map_err(|error| {
        let is_elsewhere = matches!(error, DataError::NotFound { .. });
        let failure = Failure::from(error);
        match is_elsewhere {
            true => failure.hint(format!(
                "the recipe has data.source = {:?}, and looks from the folder that you are in; if the data are elsewhere: \
                 --set data.source=PATH",
                spec.source
            )),
            false => failure,
        }
    })
}

/// What has options of its own.
fn apply<N>(args: &TrainArgs, recipe: &mut Recipe<N>) {
    if let Some(teacher) = &args.teacher {
        recipe.train.teacher = Some(teacher.display().to_string());
    }
    if let Some(precision) = args.precision {
        recipe.train.precision = precision.precision();
    }
}

fn dry_run(args: &TrainArgs, asked: Asked) -> Outcome<ExitCode> {
    print_forecast(&asked.recipe)?;
    let data = asked.data.as_ref();
    answer!("# data        {} images of {}, {} classes", data.len(), data.shape(), data.class_names().len());
    let teacher = asked.recipe.train.teacher.clone();
    // What a run would refuse before its first step is refused here.
    builder(args, asked, 1)?.check()?;
    if let Some(teacher) = teacher {
        answer!("# teacher     {teacher}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The recipe with the size of the model, and what it will need.
fn print_forecast(recipe: &Recipe) -> Outcome {
    let network = recipe.network.build()?;
    let specs = network.parameters();
    let forecast = MemoryForecast::of(recipe, network.as_ref());
    answer_text!("{}", recipe.to_toml());
    answer!();
    let images = recipe.train.steps as f64 * recipe.train.batch as f64;
    answer!("# method      {}", recipe.method());
    answer!("# parameters  {} in {} tensors", n_parameters(specs), specs.len());
    answer!(
        "# steps       {} of {} images: {}",
        recipe.train.steps,
        recipe.train.batch,
        human_images(images)
    );
    answer!(
        "# memory      about {}: {} of weights and their copies, {} of activations{}",
        human_bytes(forecast.total()),
        human_bytes(forecast.weights),
        human_bytes(forecast.activations),
        memory::available().map_or(String::new(), |bytes| format!("; {} are there", human_bytes(bytes)))
    );
    let stages = match recipe.milestones().len() {
        0 => String::new(),
        n => format!(", and those that end the last {n} stages"),
    };
    answer!("# checkpoint  {} each, {} kept{stages}", human_bytes(forecast.checkpoint), recipe.train.keep);
    Ok(())
}
