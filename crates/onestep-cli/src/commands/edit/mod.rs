//! `onestep edit`: a picture in, pictures out, and what is needed to make them again beside and inside them.

mod output;
mod parameters;
mod request;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use onestep::{DefiniteEdits, Edits, OpenOptions};

use crate::args::EditArgs;
use crate::failure::{Failure, Outcome, code};
use crate::progress::{ImageBar, counted};
use crate::{device, model, sampling};
use output::Presentation;
use parameters::Parameters;

/// Runs the command.
pub fn run(args: EditArgs, quiet: bool) -> Outcome<ExitCode> {
    match (&args.command, &args.from) {
        (Some(command), _) => {
            let (common, path, teacher) = request::parts(command);
            let device = device::open(common.with.device)?;
            output::check(&common.out)?;
            let opened = model::open(path, &model::options(&common.with, &device))?;
            opened.check_editing()?;
            let teacher_options = OpenOptions::default().device(&device);
            let teacher = teacher.map(|path| model::open(path, &teacher_options)).transpose()?;
            let number = |name: &String| sampling::class_number(&opened, name, "--class");
            let class = common.class.as_ref().map(number).transpose()?;
            let edits = opened
                .edit(request::job(command)?)
                .teacher(teacher.as_ref())
                .seed(common.seed)
                .candidates(common.n as usize)
                .steps(common.steps.map(|steps| steps as usize))
                .levels(common.levels.clone().map(|levels| levels.0))
                .class(class);
            let scale = common.scale.map(|scale| scale as usize);
            make(edits, Presentation { strip: common.strip, scale }, &common.out, quiet)
        }
        (None, Some(from)) => {
            let device = device::open(args.device)?;
            output::check(&args.out)?;
            let Parameters { edit, strip, scale, .. } = Parameters::read(from)?;
            make(edit.open(&device)?.edits(), Presentation { strip, scale }, &args.out, quiet)
        }
        (None, None) => Err(Failure::usage("name a task, or a picture to make again with --from")),
    }
}

fn make(edits: Edits<'_>, presentation: Presentation, out: &Path, quiet: bool) -> Outcome<ExitCode> {
    let edits = edits.keep_path(output::is_animation(out)).definite()?;
    if !quiet {
        say_what_was_chosen(&edits);
    }
    let started = Instant::now();
    let mut bar = ImageBar::new("pictures", quiet);
    let edited = edits.run_with(&mut bar)?;
    bar.finish();
    let seconds = started.elapsed().as_secs_f64();
    if edited.results.is_empty() {
        return Err(Failure::new(code::INTERNAL, "no picture was made"));
    }
    let Presentation { strip, scale } = presentation;
    let parameters = Parameters { tool: onestep::TOOL.into(), edit: edits.record(), strip, scale };
    output::write(out, &edited, &parameters)?;
    println!("{}", out.display());
    if !quiet {
        let (n, n_levels) = (edited.results.len(), edits.levels().as_slice().len());
        eprintln!(
            "{} · {} · {} each · {:.0} ms on {} threads",
            edits.job().task().name(),
            counted(n, "picture"),
            counted(n_levels, "network evaluation"),
            seconds * 1e3,
            device::threads(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn say_what_was_chosen(edits: &DefiniteEdits<'_>) {
    if let Some(noise) = edits.estimated_noise() {
        eprintln!("noise of {noise:.1} of 255, estimated; --noise says otherwise");
    }
    if let Some(marks) = edits.found_marks() {
        eprintln!("what is {marks} in the mask is filled in; --mask-marks says otherwise");
    }
    if let Some(class) = edits.guessed_class() {
        let name = edits.model().class_names().get(class);
        let name = name.map_or_else(|| class.to_string(), |name| format!("{class}, {name}"));
        eprintln!("class {name}: the likeliest; --class says otherwise");
    }
}
