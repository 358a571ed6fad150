//! `onestep sample`: seeds in, pictures out, and what is needed to make them again beside and inside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use onestep::data::{Rounding, Sheet, image, npz, picture, write_whole};
use onestep::sample::{Plan, Samples, generate};
use serde::{Deserialize, Serialize};

use crate::args::{PrecisionName, SampleArgs};
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::model::Opened;
use crate::progress::bar;
use crate::sampling::{self, Sampling};
use crate::{device, model};

/// Everything needed to make a picture again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Name and version of the program.
    pub tool: String,
    /// The model file.
    pub model: PathBuf,
    /// SHA-256 of the model file.
    pub model_sha256: String,
    /// Which weights.
    pub weights: String,
    /// Arithmetic of the network's products.
    #[serde(default)]
    pub precision: PrecisionName,
    /// The sampler.
    pub sampler: String,
    /// The noise levels it visits.
    pub levels: Vec<f64>,
    /// Churn of an ODE sampler.
    pub churn: f64,
    /// Network evaluations a sample.
    pub nfe: usize,
    /// One seed an image.
    pub seeds: Vec<u64>,
    /// One class an image, for class-conditional models.
    pub classes: Option<Vec<usize>>,
    /// Columns of the grid.
    pub columns: Option<usize>,
    /// How many times every pixel is enlarged.
    pub scale: Option<usize>,
}

/// Runs the command.
pub fn run(args: SampleArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.sampler.with.device)?;
    let known = args.from.as_deref().map(read_parameters).transpose()?;
    let path = match (&args.model, &known) {
        (Some(model), _) => model.clone(),
        (None, Some(known)) => known.model.clone(),
        (None, None) => return Err(Failure::usage("name a model, or a picture to make again with --from")),
    };
    let opened = match &known {
        Some(known) => model::open(&path, &model::which(&known.weights), &device)?,
        None => model::open_for(&path, &args.sampler.with, args.sampler.steps, &device)?,
    };
    if let Some(known) = known.as_ref().filter(|known| known.model_sha256 != opened.sha256) {
        return Err(Failure::new(
            code::DATA,
            format!("{} is not the model the picture was made with", opened.file.display()),
        )
        .hint(format!("its SHA-256 was {}; the one given has {}", known.model_sha256, opened.sha256)));
    }
    let parameters = match known {
        Some(known) => Parameters { model: opened.file.clone(), ..known },
        None => parameters(&args, &opened)?,
    };
    let plan = plan(&parameters)?;
    refuse_bad_output(&args.out, opened.model.network().image())?;
    let started = Instant::now();
    let bar = bar(parameters.seeds.len() as u64, "images", quiet);
    let samples = generate(
        &opened.model.with_precision(parameters.precision.precision()),
        &plan,
        &parameters.seeds,
        parameters.classes.as_deref(),
        args.sampler.batch as usize,
        &device,
        &mut |done| {
            bar.set_position(done as u64);
            true
        },
    )?;
    bar.finish_and_clear();
    let parameters = Parameters { classes: samples.labels.clone(), ..parameters };
    write(&args.out, &samples, &parameters)?;
    println!("{}", args.out.display());
    if !quiet {
        let seconds = started.elapsed().as_secs_f64();
        let n = parameters.seeds.len();
        eprintln!(
            "{n} image{} · {} · {} network evaluation{} each · {seconds:.2} s on {} threads",
            if n == 1 { "" } else { "s" },
            parameters.sampler,
            parameters.nfe,
            if parameters.nfe == 1 { "" } else { "s" },
            device::threads(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, made definite by what the model's header says.
fn parameters(args: &SampleArgs, opened: &Opened) -> Outcome<Parameters> {
    let Sampling { sampler, levels, churn } = Sampling::choose(&args.sampler, opened)?;
    let mut parameters = Parameters {
        tool: onestep::TOOL.into(),
        model: opened.file.clone(),
        model_sha256: opened.sha256.clone(),
        weights: args.sampler.with.weights.clone(),
        precision: args.sampler.with.precision,
        sampler,
        levels,
        churn,
        nfe: 0,
        seeds: args.seeds.0.clone(),
        classes: sampling::classes(&args.sampler, opened, args.seeds.0.len())?,
        columns: args.columns,
        scale: args.scale.map(|scale| scale as usize),
    };
    parameters.nfe = plan(&parameters)?.nfe();
    Ok(parameters)
}

fn plan(parameters: &Parameters) -> Outcome<Plan> {
    let Parameters { sampler, levels, churn, .. } = parameters.clone();
    Sampling { sampler, levels, churn }.plan()
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

fn read_parameters(path: &Path) -> Outcome<Parameters> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let message = format!("the parameters inside {} cannot be read: {error}", path.display());
        let failure = Failure::new(code::DATA, message);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) if value.get("task").is_some() => {
                failure.hint("it was made by `onestep edit`: onestep edit --from makes it again")
            }
            _ => failure,
        }
    })
}

/// Refuses an output that cannot work before an hour is spent on its images.
fn refuse_bad_output(out: &Path, image: [usize; 3]) -> Outcome {
    match out.extension().and_then(|e| e.to_str()) {
        Some("png") | None => {}
        Some("npz") if image[0] * image[1] == 1 => {
            return Err(Failure::usage("an npz holds images; the points of this model go into a .png"));
        }
        Some("npz") => {}
        Some(other) => {
            return Err(Failure::usage(format!("cannot write a .{other}"))
                .hint("--out takes a .png (a grid), a .npz, or a folder (one PNG an image)"));
        }
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent).map_err(|error| io_failure("create the folder", parent, &error))?;
    }
    Ok(())
}

fn write(out: &Path, samples: &Samples, parameters: &Parameters) -> Outcome {
    let json = serde_json::to_string_pretty(parameters).map_err(|error| {
        Failure::new(code::INTERNAL, format!("the parameters have no JSON form: {error}"))
    })?;
    let one_line = serde_json::to_string(parameters).unwrap_or_default();
    match out.extension().and_then(|e| e.to_str()) {
        Some("npz") => {
            let bytes = image::bytes_from_values(&samples.values, Rounding::Truncate);
            let labels = samples.labels.as_ref().map(|l| l.iter().map(|&l| l as i64).collect::<Vec<_>>());
            npz::write(out, &bytes, samples.shape, labels.as_deref())?;
        }
        Some(_) => {
            let sheet = Sheet { columns: parameters.columns, scale: parameters.scale };
            sheet.write(out, &samples.values, samples.shape, Some(&one_line))?;
        }
        None => {
            std::fs::create_dir_all(out).map_err(|error| io_failure("create the folder", out, &error))?;
            for (index, &seed) in parameters.seeds.iter().enumerate() {
                let alone = Parameters {
                    seeds: vec![seed],
                    classes: parameters.classes.as_ref().map(|classes| vec![classes[index]]),
                    columns: None,
                    ..parameters.clone()
                };
                let n = samples.shape.n_values();
                let values = &samples.values[index * n..(index + 1) * n];
                let file = out.join(format!("{seed:06}.png"));
                let sheet = Sheet { columns: Some(1), scale: parameters.scale.or(Some(1)) };
                let text = serde_json::to_string(&alone).unwrap_or_default();
                sheet.write(&file, values, samples.shape, Some(&text))?;
            }
        }
    }
    let beside = match out.extension() {
        None => out.join("samples.json"),
        Some(_) => out.with_extension("json"),
    };
    Ok(write_whole(&beside, |file| writeln!(file, "{json}"))?)
}
