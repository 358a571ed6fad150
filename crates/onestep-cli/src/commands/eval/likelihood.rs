//! `onestep eval likelihood`: how probable a diffusion model finds images.

use std::process::ExitCode;

use onestep::data::{self, DataSpec, Pixels, Rounding, Split};
use onestep::eval::{LikelihoodOptions, Trace, bits_per_dimension};
use onestep::model::Condition;
use serde_json::json;

use super::refuse_points;
use crate::args::LikelihoodArgs;
use crate::failure::{Failure, Outcome, code};
use crate::progress::{bar, human_seconds};
use crate::signals::StopFlag;
use crate::{device, old_model as model};

/// Runs the command.
pub fn run(args: &LikelihoodArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.device)?;
    let stop = StopFlag::listen()?;
    let opened = model::open(&args.model, &model::which(&args.weights), &device)?;
    if opened.header.kind == onestep::model::ModelKind::Consistency {
        return Err(Failure::usage(
            "this is a consistency model: it has no ODE whose volume could be followed",
        )
        .hint("likelihoods are of diffusion models, for example the teacher it was distilled from"));
    }
    let network = opened.model.network();
    let [height, width, channels] = network.image();
    refuse_points("this model", channels)?;
    if height != width {
        return Err(Failure::usage(format!(
            "this model draws {width}x{height}, and images can only be made square"
        )));
    }
    let spec = DataSpec {
        image_size: Some(height),
        grey: channels == 1,
        labels: network.n_classes().is_some(),
        split: args.test.then_some(Split::Test),
        limit: Some(args.num_images as usize),
        ..DataSpec::new(args.data.clone())
    };
    let set = data::open(&spec)?;
    refuse_points(&args.data, set.shape().channels)?;
    let n = set.len();
    let range = opened.model.range();
    let options = LikelihoodOptions {
        n_steps: args.steps as usize,
        trace: Trace::Probes(args.probes as usize),
        rho: opened.header.rho,
        seed: args.seed,
        ..LikelihoodOptions::new(range.sigma_min, range.sigma_max)
    };
    let bar = bar(n as u64, "images", quiet);
    let started = std::time::Instant::now();
    let mut bits: Vec<f64> = Vec::with_capacity(n);
    for first in (0..n).step_by(args.batch as usize) {
        let numbers: Vec<u64> =
            (first..n.min(first + args.batch as usize)).map(|index| index as u64).collect();
        let samples =
            numbers.iter().map(|&index| set.sample(index as usize)).collect::<Result<Vec<_>, _>>()?;
        let images = samples
            .iter()
            .map(|sample| Pixels::from_values(&sample.values, set.shape(), Rounding::Edm))
            .collect::<Result<Vec<_>, _>>()?;
        let labels = match network.n_classes() {
            Some(_) => Some(
                samples.iter().map(|sample| sample.label).collect::<Option<Vec<_>>>().ok_or_else(|| {
                    Failure::new(code::DATA, "the model wants the class of each image, and these have none")
                })?,
            ),
            None => None,
        };
        let condition = Condition { labels, ..Condition::default() };
        bits.extend(bits_per_dimension(&opened.model, &images, &numbers, &condition, &options, &device)?);
        bar.set_position(bits.len() as u64);
        let left = started.elapsed().as_secs_f64() / bits.len() as f64 * (n - bits.len()) as f64;
        bar.set_message(format!("· {} left", human_seconds(left)));
        if stop.is_set() && bits.len() < n {
            bar.finish_and_clear();
            eprintln!("stopped after {} of {n} images", bits.len());
            return Ok(ExitCode::from(code::STOPPED));
        }
    }
    bar.finish_and_clear();
    let mean = bits.iter().sum::<f64>() / n as f64;
    let variance = bits.iter().map(|bits| (bits - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0).max(1.0);
    let error = (variance / n as f64).sqrt();
    let nfe = options.nfe(height * width * channels);
    if args.json {
        let report = json!({
            "tool": onestep::TOOL, "model": opened.file, "model_sha256": opened.sha256, "data": args.data,
            "bits_per_dimension": mean, "standard_error": error, "n": n, "nfe": nfe, "steps": args.steps,
            "probes": args.probes, "seed": args.seed, "each": bits,
        });
        println!("{report:#}");
    } else {
        println!("bits per dimension  {mean:.4} ± {error:.4} (standard error over {n} images)");
        println!("model      {}", opened.file.display());
        println!("data       {}", args.data);
        println!("ODE        {} steps, {nfe} evaluations with gradients, {} probes", args.steps, args.probes);
    }
    Ok(ExitCode::SUCCESS)
}
