//! `onestep sample`: seeds in, pictures out, and what is needed to make them again beside and inside them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use onestep::DrawRecord;
use onestep::data::ImageShape;
use onestep::sample::SampleFile;

use crate::args::SampleArgs;
use crate::failure::{Failure, Outcome, io_failure};
use crate::progress::{ImageBar, counted};
use crate::{device, model, parameters, sampling};

/// Runs the command.
pub fn run(args: SampleArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.sampler.with.device)?;
    let known = args.from.as_deref().map(read_record).transpose()?;
    let path = match (&args.model, &known) {
        (Some(model), _) => model,
        (None, Some(known)) => &known.model,
        (None, None) => return Err(Failure::usage("name a model, or a picture to make again with --from")),
    };
    let options = match &known {
        Some(known) => known.options().device(&device),
        None => {
            let steps = args.sampler.steps.map(|steps| steps as usize);
            model::options(&args.sampler.with, &device).steps(steps)
        }
    };
    let opened = model::open(path, &options)?;
    let drawing = match &known {
        Some(known) => known.draw(&opened)?,
        None => sampling::draw(&args.sampler, &opened, &args.seeds.0)?,
    };
    let drawing = drawing.batch(args.sampler.batch as usize).definite()?;
    let record = drawing.record().ok_or_else(model::is_of_no_file)?;
    let record = match known {
        // A picture made again says what the first one said, but for the place of the model.
        Some(known) => DrawRecord { model: record.model, classes: record.classes, ..known },
        None => DrawRecord { columns: args.columns, scale: args.scale.map(|scale| scale as usize), ..record },
    };
    refuse_bad_output(&args.out, opened.shape())?;
    let started = Instant::now();
    let mut bar = ImageBar::new("images", quiet);
    let samples = drawing.run_with(&mut bar)?;
    bar.finish();
    record.save(&samples, &args.out)?;
    println!("{}", args.out.display());
    if !quiet {
        let seconds = started.elapsed().as_secs_f64();
        eprintln!(
            "{} · {} · {} each · {seconds:.2} s on {} threads",
            counted(record.seeds.len(), "image"),
            record.sampler.name(),
            counted(record.nfe, "network evaluation"),
            device::threads(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn read_record(path: &Path) -> Outcome<DrawRecord> {
    let text = parameters::read(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let failure = parameters::unreadable(path, error);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) if value.get("edit").is_some() => {
                failure.hint("it was made by `onestep edit`: onestep edit --from makes it again")
            }
            _ => failure,
        }
    })
}

/// Refuses an output that cannot work before an hour is spent on its images.
fn refuse_bad_output(out: &Path, shape: ImageShape) -> Outcome {
    let folder = match SampleFile::of(out, shape)? {
        SampleFile::Folder => Some(out),
        _ => out.parent().filter(|parent| !parent.as_os_str().is_empty()),
    };
    folder.map_or(Ok(()), |folder| {
        std::fs::create_dir_all(folder).map_err(|error| io_failure("create the folder", folder, &error))
    })
}
