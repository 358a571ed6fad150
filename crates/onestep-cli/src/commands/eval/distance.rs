//! `onestep eval distance`: how different pictures look, two by two.

use std::process::ExitCode;

use onestep::eval::{open_images, pair_distances};
use onestep::perceptual::WeightFiles;
use serde_json::json;

use super::collecting::Collecting;
use super::spec;
use crate::args::DistanceArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, say};
use crate::{device, features};

/// Runs the command.
pub fn run(args: &DistanceArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.device)?;
    let work = Collecting::listen(quiet)?;
    let files = WeightFiles { trunk: args.trunk.clone(), heads: args.heads.clone() };
    let network = features::perceptual(args.distance.kind(), &files, &device).map_err(|failure| {
        let named = args.trunk.is_some() && args.heads.is_some();
        if named { failure } else { failure.hint("here they are named by --trunk and --heads") }
    })?;
    let open = |source: &str| open_images(&args.size.of(spec(source)));
    let [a, b] = [open(&args.a)?, open(&args.b)?];
    let n = match args.num_images {
        Some(n) => n as usize,
        None if a.n_images() != b.n_images() => {
            let (n, m) = (a.n_images(), b.n_images());
            return Err(Failure::usage(format!("{} has {n} images, {} has {m}", args.a, args.b))
                .hint("images are compared two by two; --num-images takes the first so many of both"));
        }
        None => a.n_images(),
    };
    for (name, side) in [(&args.a, &a), (&args.b, &b)] {
        if side.n_images() < n {
            let found = side.n_images();
            return Err(Failure::usage(format!("{name} has {found} images, {n} were asked for")));
        }
    }
    work.heed(None);
    let mut bar = work.bar("pairs").without_speed();
    let distances = pair_distances(&network, [&*a, &*b], n, &device, &mut bar)?;
    bar.finish();
    if distances.len() < n {
        say!("stopped after {} of {n} pairs", distances.len());
        return Ok(ExitCode::from(code::STOPPED));
    }
    let mean = distances.iter().sum::<f64>() / n as f64;
    if args.json {
        let report = json!({
            "tool": onestep::TOOL, "distance": network.name(), "a": args.a, "b": args.b, "n": n, "mean": mean,
            "each": distances,
        });
        answer!("{report:#}");
    } else {
        let pairs = if n == 1 { String::new() } else { format!(" (mean of {n} pairs)") };
        answer!("distance   {mean:.6}{pairs}");
        answer!("by         {}", network.name());
        answer!("between    {}", args.a);
        answer!("and        {}", args.b);
    }
    Ok(ExitCode::SUCCESS)
}
