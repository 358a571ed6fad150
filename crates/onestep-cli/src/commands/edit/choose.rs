//! From what was typed to what is done: the task and the model's header say what is missing.

use burn::tensor::Device;
use onestep::edit::{CanvasFit, Task, class_errors, estimate_noise};
use onestep::noise::{SamplingLevels, karras_level};
use onestep::sample::class_of_seed;

use super::inputs::{self, Inputs, Picture};
use super::parameters::{Parameters, Used};
use super::work::open_editor;
use crate::args::{CommonArgs, EditCommand, FitName, Subjects};
use crate::failure::{Failure, Outcome};
use crate::lists::Classes;
use crate::old_model::Opened;
use crate::old_sampling::multistep_levels;

/// More classes than these are not tried one by one.
const MAX_GUESSED: usize = 64;

/// Share of a noise level that the last of several steps is made at, as in the published pair for strokes.
const LAST_OF_FIRST: f64 = 2.24 / 5.38;

/// How far a variation of a seed goes where nobody says.
const USUAL_DISTANCE: f64 = 0.3;

/// What every task has.
pub fn common(command: &EditCommand) -> &CommonArgs {
    match command {
        EditCommand::Inpaint(args) => &args.common,
        EditCommand::Colorize(args) => &args.common,
        EditCommand::SuperResolve(args) => &args.common,
        EditCommand::Stroke(args) => &args.common,
        EditCommand::Denoise(args) => &args.common,
        EditCommand::Interpolate(args) => &args.common,
        EditCommand::Vary(args) => &args.common,
    }
}

/// Opens everything and makes it definite.
pub fn parameters(command: &EditCommand, device: &Device, quiet: bool) -> Outcome<(Parameters, Inputs)> {
    let common = common(command);
    let (task, model) = match command {
        EditCommand::Inpaint(args) => (Task::Inpaint, &args.subjects.model),
        EditCommand::Colorize(args) => (Task::Colorize, &args.subjects.model),
        EditCommand::SuperResolve(args) => (Task::SuperResolve, &args.subjects.model),
        EditCommand::Stroke(args) => (Task::Stroke, &args.subjects.model),
        EditCommand::Denoise(args) => (Task::Denoise, &args.subjects.model),
        EditCommand::Interpolate(args) => (Task::Interpolate, &args.model),
        EditCommand::Vary(args) => (Task::Vary, &args.model),
    };
    let opened = inputs::open_model(model, &common.with.weights, device)?;
    let mut parameters = Parameters {
        tool: onestep::TOOL.into(),
        task,
        model: Used { path: opened.file.clone(), sha256: opened.sha256.clone() },
        weights: common.with.weights.clone(),
        precision: common.with.precision,
        levels: Vec::new(),
        seeds: (0..u64::from(common.n)).map(|i| common.seed.wrapping_add(i)).collect(),
        class: None,
        images: Vec::new(),
        mask: None,
        teacher: None,
        fit: CanvasFit::default(),
        factor: None,
        between: None,
        like: None,
        strength: None,
        full: false,
        strip: common.strip,
        scale: common.scale.map(|scale| scale as usize),
    };
    let mut inputs = Inputs { model: opened, teacher: None, images: Vec::new(), mask: None };
    let mut one_image = |parameters: &mut Parameters, subjects: &Subjects| -> Outcome {
        parameters.fit = subjects.fit.fit();
        inputs.images = vec![Picture::read(&subjects.image)?];
        Ok(())
    };
    match command {
        EditCommand::Inpaint(args) => {
            one_image(&mut parameters, &args.subjects)?;
            inputs.mask = args.mask.as_deref().map(Picture::read).transpose()?;
            parameters.full = args.full;
        }
        EditCommand::Colorize(args) => one_image(&mut parameters, &args.subjects)?,
        EditCommand::SuperResolve(args) => {
            one_image(&mut parameters, &args.subjects)?;
            parameters.factor = Some(args.factor as usize);
        }
        EditCommand::Stroke(args) => {
            one_image(&mut parameters, &args.subjects)?;
            parameters.strength = args.strength.map(share).transpose()?;
        }
        EditCommand::Denoise(args) => one_image(&mut parameters, &args.subjects)?,
        EditCommand::Interpolate(args) => {
            parameters.fit = FitName::fit(args.fit);
            inputs.images = inputs::read_all(&args.images)?;
            inputs.teacher =
                args.teacher.as_deref().map(|path| inputs::open_teacher(path, device)).transpose()?;
            parameters.between = inputs.images.is_empty().then_some(args.between.0);
            // The number of frames is the number of candidates; they differ in place, not in seed.
            parameters.seeds = vec![common.seed; args.frames as usize];
        }
        EditCommand::Vary(args) => {
            parameters.fit = FitName::fit(args.fit);
            inputs.images = inputs::read_all(&args.image)?;
            parameters.like = args.like;
            parameters.strength = args.strength.map(share).transpose()?;
            if args.like.is_some() {
                parameters.strength = parameters.strength.or(Some(USUAL_DISTANCE));
            }
        }
    }
    parameters.images = inputs.images.iter().map(|picture| picture.used.clone()).collect();
    parameters.mask = inputs.mask.as_ref().map(|mask| mask.used.clone());
    parameters.teacher = inputs
        .teacher
        .as_ref()
        .map(|teacher| Used { path: teacher.file.clone(), sha256: teacher.sha256.clone() });
    let noise = match command {
        EditCommand::Denoise(args) => args.noise,
        _ => None,
    };
    parameters.levels = levels(&parameters, common, &inputs, noise, quiet)?.as_slice().to_vec();
    parameters.class = class(&parameters, common, &inputs, device, quiet)?;
    Ok((parameters, inputs))
}

/// A share of the way: 0 to 1.
fn share(value: f64) -> Outcome<f64> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Failure::usage(format!("--strength is a share from 0 to 1, not {value}")))
}

/// The levels: typed, found by `onestep search`, or what suits the task.
fn levels(
    parameters: &Parameters,
    common: &CommonArgs,
    inputs: &Inputs,
    noise: Option<f64>,
    quiet: bool,
) -> Outcome<SamplingLevels> {
    let Opened { header, model, .. } = &inputs.model;
    let (range, rho) = (model.range(), header.rho);
    if let Some(levels) = &common.levels {
        if let Some(&level) =
            levels.0.iter().find(|&&level| !(range.sigma_min..=range.sigma_max).contains(&level))
        {
            return Err(Failure::usage(format!(
                "the model was made for noise levels from {} to {}, not {level}",
                range.sigma_min, range.sigma_max
            )));
        }
        return Ok(SamplingLevels::new(levels.0.clone())?);
    }
    let task = parameters.task;
    let typed = common.steps.map(|steps| steps as usize);
    let n = typed.unwrap_or(task.usual_steps());
    let fits = |found: &&Vec<f64>| typed.is_none_or(|n| n == found.len());
    let below = |first: f64| {
        let first = first.clamp(range.sigma_min, range.sigma_max);
        // At the model's smallest level there is nothing below to go to.
        let n = if first * LAST_OF_FIRST < range.sigma_min { 1 } else { n };
        Task::between(n, first, first * LAST_OF_FIRST, rho)
    };
    Ok(match (task, parameters.strength) {
        (Task::Denoise, _) => {
            let sigma = match noise {
                Some(bytes) if bytes > 0.0 && bytes.is_finite() => bytes / 127.5,
                Some(bytes) => {
                    return Err(Failure::usage(format!(
                        "--noise is a deviation in bytes above 0, not {bytes}"
                    )));
                }
                None => {
                    let seen = super::work::seen(&inputs.images[0], parameters.fit, &inputs.model)?;
                    let found = estimate_noise(&seen.values(), seen.shape());
                    if !quiet {
                        eprintln!("noise of {:.1} of 255, estimated; --noise says otherwise", found * 127.5);
                    }
                    found
                }
            };
            below(sigma)?
        }
        (Task::Stroke | Task::Vary, Some(strength)) if parameters.like.is_none() => {
            below(karras_level(strength, range.sigma_min, range.sigma_max, rho))?
        }
        (Task::Interpolate | Task::Vary, _) if parameters.images.is_empty() || task == Task::Interpolate => {
            multistep_levels(&inputs.model, typed)?
        }
        _ => match header.task_levels.get(task.name()).filter(fits) {
            Some(found) => SamplingLevels::new(found.clone())?,
            None => task.levels(n, &range, rho)?,
        },
    })
}

/// The class: typed, that of the seed, or the one that explains best what is known.
fn class(
    parameters: &Parameters,
    common: &CommonArgs,
    inputs: &Inputs,
    device: &Device,
    quiet: bool,
) -> Outcome<Option<usize>> {
    let names = &inputs.model.header.class_names;
    let n_classes = match (&common.class, inputs.model.model.network().n_classes()) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(Failure::usage("this model is unconditional and takes no --class")),
        (Some(name), Some(n_classes)) => {
            let list = Classes(vec![name.trim().to_string()]);
            return Ok(list.numbers(names, n_classes).map_err(Failure::usage)?.first().copied());
        }
        (None, Some(n_classes)) => n_classes,
    };
    if let Some(seed) = parameters.like.or(parameters.between.map(|[first, _]| first)) {
        return Ok(Some(class_of_seed(seed, n_classes)));
    }
    if n_classes > MAX_GUESSED {
        let message = format!("this model has {n_classes} classes, too many to try");
        return Err(Failure::usage(message).hint("name the class of the picture with --class"));
    }
    // Of two pictures to go between, the first decides.
    let looked_at = match parameters.task {
        Task::Interpolate => Parameters { task: Task::Vary, ..parameters.clone() },
        _ => parameters.clone(),
    };
    let errors = match open_editor(&looked_at, inputs, device)? {
        Some(editor) => class_errors(&inputs.model.model, &editor.edit(), n_classes, 0)?,
        None => return Ok(Some(0)),
    };
    let class = (0..n_classes).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap_or_default();
    if !quiet {
        let name = names.get(class).map_or_else(|| class.to_string(), |name| format!("{class}, {name}"));
        eprintln!("class {name}: the likeliest; --class says otherwise");
    }
    Ok(Some(class))
}
