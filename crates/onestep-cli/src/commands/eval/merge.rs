//! `onestep eval merge`: the parts of a sharded evaluation become the whole, to the bits that one run gives.

use std::path::Path;
use std::process::ExitCode;

use onestep::eval::{Collection, Protocol, Selection, reference};

use super::collecting::{self, Collecting};
use super::report::Report;
use super::{judge, spec};
use crate::args::{DeviceChoice, MergeArgs, NetworkArgs};
use crate::device;
use crate::failure::{Failure, Outcome};
use crate::print::answer;

/// Runs the command.
pub fn run(args: &MergeArgs, quiet: bool) -> Outcome<ExitCode> {
    let (parts, source) = match args.files.split_last() {
        _ if args.no_reference => (args.files.as_slice(), None),
        Some((source, parts)) if !parts.is_empty() => (parts, Some(source)),
        _ => {
            return Err(Failure::usage("the reference comes after the parts")
                .hint("to add the parts up and no more: --no-reference --stats-out FILE"));
        }
    };
    let other = source.map(|source| reference::open(&spec(source))).transpose()?;
    let collection = add_up(parts)?;
    let protocol = Protocol::named(&collection.subject().protocol)?;
    let network =
        NetworkArgs { features: args.features.clone(), protocol: None, fewer: args.fewer, feature_batch: 16 };
    let judge = judge(&network, protocol, &args.metrics, &device::open(DeviceChoice::default())?);
    judge.check_count(collection.subject().n)?;
    let outputs = collecting::outputs(args.overwrite, &args.files);
    args.stats_out.iter().chain(&args.out).try_for_each(|path| outputs.check(path))?;
    collecting::create_parent(args.stats_out.as_deref())?;
    collecting::create_parent(args.out.as_deref())?;
    if let Some(path) = args.stats_out.as_deref() {
        collection.write(path, protocol.divisor)?;
    }
    let (Some(source), Some(other)) = (source, other) else {
        if let Some(path) = &args.stats_out {
            answer!("{}", path.display());
        }
        return Ok(ExitCode::SUCCESS);
    };
    let work = Collecting::listen(quiet)?;
    let Some(reference) = work.reference(&judge, (source, other), Selection::All)? else {
        return Ok(collecting::stopped(&collection, args.stats_out.as_deref()));
    };
    let n = parts.len();
    let described =
        if n == 1 { parts[0].clone() } else { format!("{n} parts, {} to {}", parts[0], parts[n - 1]) };
    let report = Report::new(judge.judge(&collection, &reference)?, described, Some(source));
    report.show(args.json, args.out.as_deref(), &outputs, quiet)
}

/// The sum of all parts, which must be whole.
fn add_up(parts: &[String]) -> Outcome<Collection> {
    let mut sum: Option<Collection> = None;
    for name in parts {
        let part = Collection::load(Path::new(name))?;
        match &mut sum {
            None => sum = Some(part),
            Some(sum) => {
                sum.merge(part)
                    .map_err(|error| Failure::from(error).context(format!("cannot add {name}")))?;
            }
        }
    }
    let sum = sum.ok_or_else(|| Failure::usage("there are no parts"))?;
    sum.check_whole().map_err(|error| {
        Failure::from(error)
            .hint("run the shards that are missing, or the stopped ones again with the same --stats-out")
    })?;
    Ok(sum)
}
