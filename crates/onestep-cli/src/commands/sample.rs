//! `onestep sample`: seeds in, pictures out, and what is needed to make them again beside and inside them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use onestep::DrawRecord;
use onestep::data::{ImageShape, picture};
use onestep::sample::SampleFile;

use crate::args::SampleArgs;
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::progress::ImageBar;
use crate::{device, model, sampling};

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
        let n = record.seeds.len();
        eprintln!(
            "{n} image{} · {} · {} network evaluation{} each · {seconds:.2} s on {} threads",
            if n == 1 { "" } else { "s" },
            record.sampler.name(),
            record.nfe,
            if record.nfe == 1 { "" } else { "s" },
            device::threads(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The parameters inside a picture, or in the json beside anything else, as text.
pub fn read_text(path: &Path) -> Outcome<String> {
    let text = if path.extension().is_some_and(|e| e == "json") {
        Some(std::fs::read_to_string(path).map_err(|error| io_failure("read", path, &error))?)
    } else {
        picture::read_parameters(path)?
    };
    text.ok_or_else(|| {
        Failure::new(code::DATA, format!("{} does not say how it was made", path.display()))
            .hint("only PNG files written by onestep do; the .json beside them works too")
    })
}

fn read_record(path: &Path) -> Outcome<DrawRecord> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let message = format!("the parameters inside {} cannot be read: {error}", path.display());
        let failure = Failure::new(code::DATA, message);
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
