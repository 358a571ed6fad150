//! `onestep sample`: seeds in, pictures out, and what is needed to make them again beside and inside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use onestep::data::{ImageShape, Sheet, picture, write_whole};
use onestep::sample::{Sampler, SamplerSettings, Samples};
use onestep::{DefiniteDraw, Draw, Model, Origin};
use serde::{Deserialize, Serialize};

use crate::args::{PrecisionName, SampleArgs};
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::progress::ImageBar;
use crate::{device, model, sampling};

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
    pub sampler: Sampler,
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
    let mut options = model::options(&args.sampler.with, &device);
    options = match &known {
        Some(known) => options.weights(&known.weights).precision(known.precision.precision()),
        None => options.steps(args.sampler.steps.map(|steps| steps as usize)),
    };
    let opened = model::open(&path, &options)?;
    let Origin { file, sha256, .. } = model::origin(&opened)?;
    if let Some(known) = known.as_ref().filter(|known| known.model_sha256 != *sha256) {
        return Err(Failure::new(
            code::DATA,
            format!("{} is not the model the picture was made with", file.display()),
        )
        .hint(format!("its SHA-256 was {}; the one given has {sha256}", known.model_sha256)));
    }
    let drawing = match &known {
        Some(known) => known.draw(&opened),
        None => sampling::draw(&args.sampler, &opened, &args.seeds.0)?,
    };
    let drawing = drawing.batch(args.sampler.batch as usize).definite()?;
    let parameters = match known {
        Some(known) => {
            Parameters { model: file.clone(), classes: drawing.classes().map(<[_]>::to_vec), ..known }
        }
        None => parameters(&args, &opened, &drawing)?,
    };
    refuse_bad_output(&args.out, opened.shape())?;
    let started = Instant::now();
    let mut bar = ImageBar::new("images", quiet);
    let samples = drawing.run_with(&mut bar)?;
    bar.finish();
    write(&args.out, &samples, &parameters)?;
    println!("{}", args.out.display());
    if !quiet {
        let seconds = started.elapsed().as_secs_f64();
        let n = parameters.seeds.len();
        eprintln!(
            "{n} image{} · {} · {} network evaluation{} each · {seconds:.2} s on {} threads",
            if n == 1 { "" } else { "s" },
            parameters.sampler.name(),
            parameters.nfe,
            if parameters.nfe == 1 { "" } else { "s" },
            device::threads(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that makes these images again.
fn parameters(args: &SampleArgs, opened: &Model, drawing: &DefiniteDraw<'_>) -> Outcome<Parameters> {
    let Origin { file, sha256, .. } = model::origin(opened)?;
    let SamplerSettings { sampler, levels, churn } = drawing.settings().clone();
    Ok(Parameters {
        tool: onestep::TOOL.into(),
        model: file.clone(),
        model_sha256: sha256.clone(),
        weights: args.sampler.with.weights.clone(),
        precision: args.sampler.with.precision,
        sampler,
        levels,
        churn,
        nfe: drawing.nfe(),
        seeds: drawing.seeds().to_vec(),
        classes: drawing.classes().map(<[_]>::to_vec),
        columns: args.columns,
        scale: args.scale.map(|scale| scale as usize),
    })
}

impl Parameters {
    /// The same drawing from the same model.
    fn draw<'a>(&self, model: &'a Model) -> Draw<'a> {
        let Self { sampler, levels, churn, seeds, classes, .. } = self.clone();
        let draw = model.draw().seeds(seeds).with(SamplerSettings { sampler, levels, churn });
        match classes {
            Some(classes) => draw.classes(classes),
            None => draw,
        }
    }
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
            Ok(value) if value.get("edit").is_some() => {
                failure.hint("it was made by `onestep edit`: onestep edit --from makes it again")
            }
            _ => failure,
        }
    })
}

/// Refuses an output that cannot work before an hour is spent on its images.
fn refuse_bad_output(out: &Path, shape: ImageShape) -> Outcome {
    match out.extension().and_then(|e| e.to_str()) {
        Some("png") | None => {}
        Some("npz") if shape.height * shape.width == 1 => {
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
            samples.save_npz(out)?;
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
                let file = out.join(format!("{seed:06}.png"));
                let sheet = Sheet { columns: Some(1), scale: parameters.scale.or(Some(1)) };
                let text = serde_json::to_string(&alone).unwrap_or_default();
                sheet.write(&file, samples.values_of(index), samples.shape, Some(&text))?;
            }
        }
    }
    let beside = match out.extension() {
        None => out.join("samples.json"),
        Some(_) => out.with_extension("json"),
    };
    Ok(write_whole(&beside, |file| writeln!(file, "{json}"))?)
}
