//! `onestep bench operators`: the operators alone, at the sizes of image networks.

use burn::tensor::Device;
use onestep::model::Precision;
use onestep_bench::single::{self, Single};
use onestep_bench::{Conditions, OperatorReport};

use crate::args::BenchArgs;
use crate::failure::{Failure, Outcome};
use crate::progress::bar;

/// Images at a time unless asked otherwise.
const BATCHES: [usize; 3] = [1, 8, 32];
/// Seconds an operator unless asked otherwise.
const SECONDS: f64 = 0.3;

/// Measures and prints them.
pub fn run(args: &BenchArgs, precision: Precision, quiet: bool) -> Outcome {
    if args.dump.is_some() || !args.settings.is_empty() {
        return Err(Failure::usage("`bench operators` measures no network: it takes no --dump and no --set"));
    }
    let batches = args.batch.map_or(BATCHES.to_vec(), |batch| vec![batch as usize]);
    let work: Vec<(Single, usize)> = single::all()
        .into_iter()
        .flat_map(|single| batches.iter().map(move |&batch| (single, batch)))
        .collect();
    let seconds = args.seconds.unwrap_or(SECONDS);
    let bar = bar(work.len() as u64, "operators", quiet);
    let (conditions, measured) =
        Conditions::around(&Device::flex(), precision, args.seconds.unwrap_or(1.0), || {
            let measured = work.into_iter().map(|(single, batch)| {
                bar.set_message(format!("· {} {}", single.name(), single.shape(batch)));
                let directions = single.measure(precision, batch, seconds);
                bar.inc(1);
                (single, batch, directions)
            });
            Outcome::Ok(measured.collect::<Vec<_>>())
        })?;
    bar.finish_and_clear();
    let report = OperatorReport { measured, conditions };
    super::show(args, || report.text(), || report.json());
    Ok(())
}
