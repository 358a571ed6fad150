//! `onestep eval merge`: the parts of a sharded evaluation become the whole, to the bits that one run gives.

use std::path::Path;
use std::process::ExitCode;

use onestep::eval::reference::write_npz;
use onestep::eval::{Collection, Metric, Protocol, score};

use super::collecting::{self, Collecting, is_npz};
use super::report::{Floor, Report};
use super::{LazyNetwork, kept, metrics, reference};
use crate::args::{DeviceName, MergeArgs};
use crate::device;
use crate::failure::{Failure, Outcome};
use crate::signals::StopFlag;

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
    let other = source.map(|source| reference::find(source, None)).transpose()?;
    let collection = add_up(parts)?;
    let protocol = Protocol::named(&collection.subject().protocol)?;
    if !args.fewer {
        protocol.check_count(collection.subject().n)?;
    }
    collecting::create_parent(args.stats_out.as_deref())?;
    match args.stats_out.as_deref() {
        Some(path) if is_npz(path) => write_npz(path, &collection.statistics(protocol.divisor)?)?,
        Some(path) => collection.save(path)?,
        None => {}
    }
    let (Some(source), Some(other)) = (source, other) else {
        if let Some(path) = &args.stats_out {
            println!("{}", path.display());
        }
        return Ok(ExitCode::SUCCESS);
    };
    let metrics = metrics(&args.metrics);
    let device = device::open(DeviceName::Cpu)?;
    let network = LazyNetwork::new(&args.features, &protocol, &device);
    let work = Collecting { stop: StopFlag::listen()?, quiet, batch: 16 };
    let wanted = reference::Wanted { source, numbers: None, kept: kept(&metrics, &protocol) };
    let Some(opened) = reference::open(other, &wanted, &network, &protocol, &work)? else {
        return Ok(collecting::stopped(&collection, args.stats_out.as_deref()));
    };
    opened.check_network(&collection)?;
    let scores = score(&metrics, &collection, &opened.reference, &protocol)?;
    let n = parts.len();
    let described =
        if n == 1 { parts[0].clone() } else { format!("{n} parts, {} to {}", parts[0], parts[n - 1]) };
    let mut report = Report::new(&collection, described, Some(&opened), scores);
    if let (Some(value), true) = (opened.reference.floor()?, metrics.contains(&Metric::Frechet)) {
        report.floors.push(Floor::halves(value, &opened, &collection));
    }
    report.show(args.json, args.out.as_deref())
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
