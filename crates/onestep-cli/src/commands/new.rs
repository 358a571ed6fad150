//! `onestep new`: a recipe that fits somebody's pictures.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use onestep::data::{DataError, DataSpec, Dataset, ImageShape, open};
use onestep::train::{MemoryForecast, Recipe, Suggestion, Trainer};

use crate::args::NewArgs;
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::print::{answer, say, typed};
use crate::progress::{counted, human_seconds};
use crate::{device, memory};

/// How long training steps are timed for, after the first.
const TIMED: Duration = Duration::from_secs(3);

/// Times that every image is seen at most, unless hours are asked for: beyond that, a small network learns little more.
const EPOCHS: u64 = 2000;

/// Hours where nobody asks for any.
const HOURS: f64 = 1.0;

/// Runs the command.
pub fn run(args: &NewArgs, quiet: bool) -> Outcome<ExitCode> {
    let name = args.out.clone().unwrap_or_else(|| recipe_file(&args.source));
    if name.exists() {
        return Err(in_the_way(&name));
    }
    let device = device::open(args.device)?;
    let (spec, data) = look(args)?;
    if data.shape().channels == 2 {
        let failure = Failure::usage("these are points, not images");
        return Err(failure.hint("a built-in recipe fits them: onestep recipe show toy2d-ct"));
    }
    let title = name.file_stem().map_or("mine".into(), |stem| stem.to_string_lossy().into_owned());
    let mut suggestion = Suggestion::new(&title, spec, data.as_ref());
    let mut recipe = suggestion.recipe(data.as_ref())?;
    while !fits(&recipe)? && suggestion.halve_batch() {
        recipe = suggestion.recipe(data.as_ref())?;
    }
    if !quiet {
        say!(
            "{}: {} of {}; timing a few training steps",
            args.source,
            counted(data.len(), "image"),
            data.shape()
        );
    }
    let (shape, n_images) = (data.shape(), data.len());
    let seconds = seconds_of_a_step(recipe, data, &device)?;
    let hours = args.hours.unwrap_or(HOURS);
    let in_time = (hours * 3600.0 / seconds) as u64;
    let steps = match args.hours {
        Some(_) => in_time,
        None => in_time.min(suggestion.steps_of_epochs(EPOCHS)),
    };
    let suggestion = suggestion.steps(rounded(steps));
    let text = format!(
        "# {n_images} images; a step takes {seconds:.2} s on this machine, the run about {}.\n{}",
        human_seconds(rounded(steps) as f64 * seconds),
        suggestion.to_toml()
    );
    write_new(&name, &text)?;
    answer!("{}", name.display());
    if !quiet {
        if let Some(images) = suggestion.too_few_images() {
            let hours = images as f64 / suggestion.batch() as f64 * seconds / 3600.0;
            say!(
                "a run of this length draws little more than noise: shapes come at about {} thousand images, here --hours {hours:.1}",
                images / 1000
            );
        }
        next(&name, &title, shape);
    }
    Ok(ExitCode::SUCCESS)
}

/// What to type now.
fn next(name: &Path, title: &str, shape: ImageShape) {
    say!("images of {shape}, one step each. Next:");
    let (recipe, run) = (typed(name.display()), typed(format_args!("runs/{title}")));
    say!("  onestep train {recipe} --dry-run");
    say!("  onestep train {recipe} --out {run}");
    say!("  onestep sample {run} --out {}", typed(format_args!("{title}.png")));
}

/// The data, at a size that a network can be made for.
fn look(args: &NewArgs) -> Outcome<(DataSpec, Box<dyn Dataset>)> {
    let spec = |image_size| DataSpec { image_size, ..args.view.of(DataSpec::named(&args.source)) };
    let sized = |size| -> Outcome<_> { Ok((spec(Some(size)), open(&spec(Some(size)))?)) };
    if let Some(size) = args.view.size.image_size {
        return sized(size);
    }
    match open(&spec(None)) {
        Ok(data) => match Suggestion::size_for(data.shape()) {
            Some(size) if data.shape().channels != 2 => sized(size),
            _ => Ok((spec(None), data)),
        },
        Err(DataError::MixedSizes { first_shape, other_shape, .. }) => {
            sized(Suggestion::size_for_mixed([first_shape, other_shape]))
        }
        Err(error) => Err(error.into()),
    }
}

fn fits(recipe: &Recipe) -> Outcome<bool> {
    let Some(available) = memory::available() else { return Ok(true) };
    let network = recipe.network.build()?;
    Ok(MemoryForecast::of(recipe, network.as_ref()).fits(recipe, available).is_ok())
}

/// How long one training step takes here: the mean of those after the first, which sets things up.
fn seconds_of_a_step(recipe: Recipe, data: Box<dyn Dataset>, device: &Device) -> Outcome<f64> {
    let mut trainer = Trainer::new(recipe, data, None, device)?;
    trainer.step()?;
    let (started, mut n) = (Instant::now(), 0);
    while n < 2 || started.elapsed() < TIMED {
        trainer.step()?;
        n += 1;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(n))
}

/// Two digits say enough about the length of a run.
fn rounded(steps: u64) -> u64 {
    let unit = 10u64.pow(steps.max(1).ilog10().saturating_sub(1));
    (steps / unit * unit).max(1)
}

/// `photos.toml` for `some/photos`.
fn recipe_file(source: &str) -> PathBuf {
    let name = source.split(',').next().unwrap_or(source).trim_start_matches("builtin:");
    let stem = Path::new(name.trim_end_matches('/')).file_stem().unwrap_or_else(|| "mine".as_ref());
    PathBuf::from(stem).with_extension("toml")
}

fn in_the_way(path: &Path) -> Failure {
    Failure::new(code::CANNOT_CREATE, format!("{} is there already, and is left as it is", path.display()))
        .hint("choose another name with --out")
}

/// Writes a file that was not there.
fn write_new(path: &Path, text: &str) -> Outcome {
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => in_the_way(path),
        _ => io_failure("write", path, error),
    };
    let mut file = File::create_new(path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))
}
