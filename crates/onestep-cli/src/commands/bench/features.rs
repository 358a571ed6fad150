//! `onestep bench inception`: the networks that images are judged by.

use burn::tensor::Device;
use onestep::model::Precision;
use onestep_bench::features::{dump, images, measure, network};
use onestep_bench::{Conditions, FeatureReport};

use super::{BATCH, SECONDS};
use crate::args::{BenchArgs, ChoiceName, PassName};
use crate::failure::{Failure, Outcome};
use crate::print::say;

/// Measures and prints it.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome {
    let only_forward = matches!(args.what, PassName::All | PassName::Forward);
    if !args.settings.is_empty() || !only_forward || args.precision == ChoiceName::Bf16 {
        let message = "feature networks are measured forward and in f32: no --set, --what and --precision";
        return Err(Failure::usage(message));
    }
    let images = images(args.batch.map_or(BATCH, |batch| batch as usize))?;
    let network = network(&args.network)?;
    if let Some(folder) = &args.dump {
        dump(folder, &args.network, &images)?;
        if !quiet {
            say!("wrote {}", folder.display());
        }
    }
    let seconds = args.seconds.unwrap_or(SECONDS);
    let (conditions, measured) = Conditions::around(&Device::flex(), Precision::F32, seconds, || {
        measure(&*network, &images, seconds)
    })?;
    let report = FeatureReport { name: network.name(), images: images.len(), conditions, measured };
    super::show(args, || report.text(args.operators), || report.json());
    Ok(())
}
