//! `onestep train`: a run from a recipe, which can be stopped and continued anywhere.

use std::process::ExitCode;

use onestep::Error;
use onestep::model::n_parameters;
use onestep::objective::Distance;
use onestep::train::{self, MemoryForecast, Recipe, Run, RunBuilder};
use onestep_bench::human_bytes;

use super::recipe::{human_images, read};
use crate::args::TrainArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, answer_text, say};
use crate::progress::Watch;
use crate::signals::StopFlag;
use crate::{device, features, model};

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
    let builder = RunBuilder::new(recipe).device(device);
    let mut run = if args.resume { builder.resume(out)? } else { builder.create(out)? };
    model::warn_of_damaged(run.damaged());
    let train = run.recipe().train.clone();
    if !quiet {
        say!(
            "{}: {} on {} images · {:.2} M parameters · {} steps of {} · {} threads",
            run.recipe().name,
            run.recipe().method(),
            run.trainer().data().len(),
            run.trainer().student().weights().n_parameters() as f64 / 1e6,
            train.steps,
            train.batch,
            device::threads(),
        );
    }
    let mut watch = Watch::new(out, train.steps, quiet, stop)?;
    let ended = run.train(&mut watch)?;
    if let Some(error) = watch.log_error() {
        say!("warning: events.jsonl is incomplete: {error}");
    }
    answer!("{}", out.display());
    if ended == train::Outcome::Finished {
        return Ok(ExitCode::SUCCESS);
    }
    if !quiet {
        say!(
            "stopped after step {} of {}; go on with: onestep train --resume --out {}",
            run.trainer().state().step,
            train.steps,
            out.display()
        );
    }
    Ok(ExitCode::from(code::STOPPED))
}

/// The recipe with everything typed applied; a resumed run's own where none is named.
fn resolve(args: &TrainArgs) -> Outcome<Recipe> {
    let mut recipe = match (&args.recipe, &args.out) {
        (Some(name), _) => read(name, &args.settings)?,
        (None, Some(out)) => Run::recipe_in(out, &args.settings).map_err(|error| {
            let unreadable = matches!(error, Error::Recipe(_));
            let failure = Failure::from(error);
            match unreadable {
                true => failure.context(format!("recipe {}", out.join("recipe.toml").display())),
                false => failure,
            }
        })?,
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

fn dry_run(recipe: &Recipe) -> Outcome<ExitCode> {
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
        "# memory      about {}: {} of weights and their copies, {} of activations",
        human_bytes(forecast.total()),
        human_bytes(forecast.weights),
        human_bytes(forecast.activations)
    );
    let stages = match recipe.milestones().len() {
        0 => String::new(),
        n => format!(", and those that end the last {n} stages"),
    };
    answer!("# checkpoint  {} each, {} kept{stages}", human_bytes(forecast.checkpoint), recipe.train.keep);
    Ok(ExitCode::SUCCESS)
}
