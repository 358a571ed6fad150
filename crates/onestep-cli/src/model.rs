//! Opening models as they were asked for.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use onestep::checkpoint::Damaged;
use onestep::model::{PrecisionChoice, ReplacedPrecision};
use onestep::{Model, OpenOptions, Origin};

use crate::args::{ChoiceName, ModelArgs};
use crate::failure::{Failure, Outcome, code};
use crate::print::say;

/// Opens a model file, a step folder or a run folder as the options say; a damaged checkpoint that was passed over is told.
pub fn open(path: &Path, options: &OpenOptions) -> Outcome<Model> {
    let model = options.open(path)?;
    model.origin().into_iter().for_each(|origin| warn_of_damaged(&origin.skipped));
    Ok(model)
}

/// What was typed about a model's weights and their arithmetic, which is `otherwise` where nothing was. Where it is not what is
/// computed, that is said.
pub fn options(with: &ModelArgs, otherwise: PrecisionChoice, device: &Device, quiet: bool) -> OpenOptions {
    let precision = precision(with, otherwise);
    say_what_replaces(precision, device, quiet);
    OpenOptions::default().weights(&with.weights).precision(precision).device(device)
}

/// The arithmetic that was typed, or another one where none was.
fn precision(with: &ModelArgs, otherwise: PrecisionChoice) -> PrecisionChoice {
    with.precision.map_or(otherwise, ChoiceName::choice)
}

/// Whether the arithmetic was named, so that no record decides it.
pub fn names_precision(with: &ModelArgs) -> bool {
    matches!(precision(with, PrecisionChoice::Auto), PrecisionChoice::Named(_))
}

/// Says where the arithmetic that was typed is not the one that is computed.
pub fn say_what_replaces(choice: PrecisionChoice, device: &Device, quiet: bool) {
    if let (Some(replaced), false) = (choice.replaced_on(device), quiet) {
        say!("{replaced}");
    }
}

/// Says that pictures that are made again come out with other bits, and why.
pub fn warn_of_other_bits(replaced: Option<ReplacedPrecision>, quiet: bool) {
    if let (Some(replaced), false) = (replaced, quiet) {
        let named = replaced.named.name();
        say!("warning: {replaced}, and what was made in {named} comes out with other bits");
    }
}

/// The files that an open model was read from.
pub fn files(model: &Model) -> impl Iterator<Item = PathBuf> {
    model.origin().into_iter().flat_map(|origin| [origin.path.clone(), origin.file.clone()])
}

/// Where an open model is from.
pub fn origin(model: &Model) -> Outcome<&Origin> {
    model.origin().ok_or_else(is_of_no_file)
}

/// What cannot be said of a model that was opened by its path.
pub fn is_of_no_file() -> Failure {
    Failure::new(code::INTERNAL, "a model that is of no file")
}

/// Says which checkpoints could not be used.
pub fn warn_of_damaged(passed_over: &[Damaged]) {
    for Damaged { folder, error } in passed_over {
        say!("warning: {} is damaged and was passed over: {error}", folder.display());
    }
}
