//! `onestep train`: a run from a recipe, which can be stopped and continued anywhere.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use onestep::checkpoint::Which;
use onestep::data::{self, Dataset};
use onestep::model::{Preconditioned, n_parameters};
use onestep::objective::Distance;
use onestep::train::RunFolder;
use onestep::train::{MemoryForecast, Recipe, Trainer};

use super::recipe::{human_images, read};
use crate::args::TrainArgs;
use crate::failure::{Failure, Outcome, code};
use crate::progress::{Watch, human_bytes};
use crate::signals::StopFlag;
use crate::{device, features, model, old_model};

/// Runs the command.
pub fn run(args: TrainArgs, quiet: bool) -> Outcome<ExitCode> {
    let mut recipe = resolve(&args)?;
    if args.dry_run {
        return dry_run(&recipe);
    }
    let out = args.out.as_deref().ok_or_else(|| Failure::usage("give the run a folder: --out runs/NAME"))?;
    let device = device::open(args.device)?;
    let stop = StopFlag::listen()?;
    if let Some(kind) = recipe.distance().and_then(Distance::perceptual) {
        // The run's recipe names what was found in the cache.
        recipe.train.distance_files = features::weight_files(kind, &recipe.train.distance_files)?;
    }
    let data = data::open(&recipe.data)?;
    let teacher = match (&recipe.train.teacher, recipe.needs_teacher()) {
        (Some(path), true) => Some(teacher(Path::new(path), &device)?),
        _ => None,
    };
    let n_images = data.len();
    refuse_to_overwrite(out, args.resume)?;
    let folder = RunFolder::open(out, recipe.train.keep)?.keeping(recipe.milestones());
    let mut trainer = start(&args, recipe.clone(), data, teacher, &folder, &device)?;
    write_recipe(out, &recipe)?;
    if !quiet {
        eprintln!(
            "{}: {} on {n_images} images · {:.2} M parameters · {} steps of {} · {} threads",
            recipe.name,
            recipe.method(),
            trainer.student().weights().n_parameters() as f64 / 1e6,
            recipe.train.steps,
            recipe.train.batch,
            device::threads(),
        );
    }
    let mut watch = Watch::new(out, recipe.train.steps, quiet, stop)?;
    let finished = trainer.run(&folder, &mut watch)?;
    if let Some(error) = watch.log_error() {
        eprintln!("warning: events.jsonl is incomplete: {error}");
    }
    println!("{}", out.display());
    if finished {
        return Ok(ExitCode::SUCCESS);
    }
    if !quiet {
        eprintln!(
            "stopped after step {} of {}; go on with: onestep train --resume --out {}",
            trainer.state().step,
            recipe.train.steps,
            out.display()
        );
    }
    Ok(ExitCode::from(code::STOPPED))
}

/// The recipe with everything typed applied; a resumed run's own where none is named.
fn resolve(args: &TrainArgs) -> Outcome<Recipe> {
    let mut recipe = match (&args.recipe, &args.out) {
        (Some(name), _) => read(name, &args.settings)?,
        (None, Some(out)) => {
            let own = out.join("recipe.toml");
            if !own.is_file() {
                return Err(Failure::new(code::DATA, format!("{} holds no run to resume", out.display()))
                    .hint("name a recipe to start one: onestep train RECIPE --out FOLDER"));
            }
            read(&own.display().to_string(), &args.settings)?
        }
        (None, None) => return Err(Failure::usage("name a recipe, or the folder of a run to resume")),
    };
    if let Some(teacher) = &args.teacher {
        recipe.train.teacher = Some(teacher.display().to_string());
    }
    if let Some(precision) = args.precision {
        recipe.train.precision = precision.precision();
    }
    Ok(recipe)
}

fn teacher(path: &Path, device: &burn::tensor::Device) -> Outcome<Preconditioned> {
    old_model::open(path, &Which::Best, device)
        .map(|opened| opened.model)
        .map_err(|failure| failure.context(format!("the teacher {}", path.display())))
}

/// A new run does not start where another one lives.
fn refuse_to_overwrite(out: &Path, resume: bool) -> Outcome {
    if !resume && out.join("latest").exists() {
        return Err(Failure::new(code::CANNOT_CREATE, format!("{} already holds a run", out.display()))
            .hint("go on with it: add --resume")
            .hint("or start another one: choose another --out"));
    }
    Ok(())
}

fn start(
    args: &TrainArgs,
    recipe: Recipe,
    data: Box<dyn Dataset>,
    teacher: Option<Preconditioned>,
    folder: &RunFolder,
    device: &burn::tensor::Device,
) -> Outcome<Trainer> {
    if !args.resume {
        return Ok(Trainer::new(recipe, data, teacher, device)?);
    }
    let (trainer, damaged) = Trainer::resume(recipe, data, teacher, folder, device)?;
    model::warn_of_damaged(&damaged);
    Ok(trainer)
}

/// The run folder explains itself: the complete recipe lies in it.
fn write_recipe(out: &Path, recipe: &Recipe) -> Outcome {
    Ok(data::write_whole(&out.join("recipe.toml"), |file| file.write_all(recipe.to_toml().as_bytes()))?)
}

fn dry_run(recipe: &Recipe) -> Outcome<ExitCode> {
    let network = recipe.network.build()?;
    let specs = network.parameters();
    let forecast = MemoryForecast::of(recipe, network.as_ref());
    print!("{}", recipe.to_toml());
    println!();
    let images = recipe.train.steps as f64 * recipe.train.batch as f64;
    println!("# method      {}", recipe.method());
    println!("# parameters  {} in {} tensors", n_parameters(specs), specs.len());
    println!(
        "# steps       {} of {} images: {}",
        recipe.train.steps,
        recipe.train.batch,
        human_images(images)
    );
    println!(
        "# memory      about {}: {} of weights and their copies, {} of activations",
        human_bytes(forecast.total()),
        human_bytes(forecast.weights),
        human_bytes(forecast.activations)
    );
    let stages = match recipe.milestones().len() {
        0 => String::new(),
        n => format!(", and those that end the last {n} stages"),
    };
    println!("# checkpoint  {} each, {} kept{stages}", human_bytes(forecast.checkpoint), recipe.train.keep);
    Ok(ExitCode::SUCCESS)
}
