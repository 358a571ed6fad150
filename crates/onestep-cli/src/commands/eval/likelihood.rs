//! `onestep eval likelihood`: how probable a diffusion model finds images.

use std::process::ExitCode;

use onestep::data::{self, DataSpec, Split};
use onestep::eval::{LikelihoodOptions, Trace, check_images, likelihood, likelihood_spec};
use onestep::{OpenOptions, Origin};
use serde_json::json;

use super::collecting::Collecting;
use crate::args::LikelihoodArgs;
use crate::failure::{Outcome, code};
use crate::print::{answer, say};
use crate::{device, model};

/// Runs the command.
pub fn run(args: &LikelihoodArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.device)?;
    let work = Collecting::listen(quiet)?;
    let options = OpenOptions::default().weights(&args.weights).device(&device);
    let opened = model::open(&args.model, &options)?;
    let Origin { file, sha256, .. } = model::origin(&opened)?;
    let options = LikelihoodOptions {
        n_steps: args.steps as usize,
        trace: Trace::Probes(args.probes as usize),
        seed: args.seed,
        ..LikelihoodOptions::of(&opened)?
    };
    let spec = DataSpec {
        split: args.test.then_some(Split::Test),
        limit: Some(args.num_images as usize),
        ..DataSpec::new(args.data.clone())
    };
    let set = data::open(&likelihood_spec(&opened, spec)?)?;
    check_images(&args.data, set.shape().channels)?;
    work.heed(None);
    let mut bar = work.bar("images").without_speed();
    let found = likelihood(&opened, &*set, &options, args.batch as usize, &mut bar)?;
    bar.finish();
    let (n, nfe) = (found.n, found.nfe);
    if !found.is_whole() {
        say!("stopped after {} of {n} images", found.each.len());
        return Ok(ExitCode::from(code::STOPPED));
    }
    let (mean, error) = (found.mean(), found.standard_error());
    if args.json {
        let report = json!({
            "tool": onestep::TOOL, "model": file, "model_sha256": sha256, "data": args.data,
            "bits_per_dimension": mean, "standard_error": error, "n": n, "nfe": nfe, "steps": args.steps,
            "probes": args.probes, "seed": args.seed, "each": found.each,
        });
        answer!("{report:#}");
    } else {
        answer!("bits per dimension  {mean:.4} ± {error:.4} (standard error over {n} images)");
        answer!("model      {}", file.display());
        answer!("data       {}", args.data);
        answer!("ODE        {} steps, {nfe} evaluations with gradients, {} probes", args.steps, args.probes);
    }
    Ok(ExitCode::SUCCESS)
}
