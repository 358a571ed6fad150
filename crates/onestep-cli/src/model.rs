//! Opening models as they were asked for.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use onestep::checkpoint::Damaged;
use onestep::{Model, OpenOptions, Origin};

use crate::args::ModelArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::say;

/// Opens a model file, a step folder or a run folder as the options say; a damaged checkpoint that was passed over is told.
pub fn open(path: &Path, options: &OpenOptions) -> Outcome<Model> {
    let model = options.open(path)?;
    model.origin().into_iter().for_each(|origin| warn_of_damaged(&origin.skipped));
    Ok(model)
}

/// What was typed about a model's weights and their arithmetic.
pub fn options(with: &ModelArgs, device: &Device) -> OpenOptions {
    OpenOptions::default().weights(&with.weights).precision(with.precision.precision()).device(device)
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
