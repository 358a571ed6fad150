//! Opening models: the file says the architecture, so nothing is asked again.

use std::path::Path;

use burn::tensor::Device;
use onestep::checkpoint::{Damaged, ModelHeader, Which, load_model};
use onestep::model::Preconditioned;

use crate::failure::Outcome;

/// A model ready to be used, and what its file says about it.
pub struct Opened {
    /// The model.
    pub model: Preconditioned,
    /// Its header.
    pub header: ModelHeader,
    /// The file it came from.
    pub file: std::path::PathBuf,
    /// SHA-256 of that file.
    pub sha256: String,
}

/// Opens a model file, a step folder or a run folder.
pub fn open(path: &Path, which: &Which, device: &Device) -> Outcome<Opened> {
    let loaded = load_model(path, which)?;
    warn_of_damaged(&loaded.skipped);
    let header = loaded.header.clone();
    let (file, sha256) = (loaded.file.clone(), loaded.sha256.clone());
    Ok(Opened { model: loaded.into_model(device)?, header, file, sha256 })
}

/// Says which checkpoints could not be used.
pub fn warn_of_damaged(passed_over: &[Damaged]) {
    for Damaged { folder, error } in passed_over {
        eprintln!("warning: {} is damaged and was passed over: {error}", folder.display());
    }
}

/// Which weights a name means.
pub fn which(name: &str) -> Which {
    match name {
        "best" => Which::Best,
        "raw" => Which::Raw,
        "target" => Which::Target,
        label => Which::Average(label.into()),
    }
}
