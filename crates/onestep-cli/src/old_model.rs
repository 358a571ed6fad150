//! Opening models: the file says the architecture, so nothing is asked again.

use std::path::Path;

use burn::tensor::Device;
use onestep::checkpoint::{Damaged, ModelHeader, Which, load_model, read_header, stage_models};
use onestep::model::Preconditioned;

use crate::args::ModelArgs;
use crate::failure::{Failure, Outcome};

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

/// The same as it was asked for.
pub fn open_with(path: &Path, with: &ModelArgs, device: &Device) -> Outcome<Opened> {
    let mut opened = open(path, &which(&with.weights), device)?;
    opened.model = opened.model.with_precision(with.precision.precision());
    Ok(opened)
}

/// The same for a number of steps: of a run of progressive distillation, the model that was made for them.
pub fn open_for(path: &Path, with: &ModelArgs, steps: Option<u32>, device: &Device) -> Outcome<Opened> {
    let Some(wanted) = steps.map(|steps| steps as usize) else { return open_with(path, with, device) };
    // The header alone says whether this is the right one; weights may be gigabytes.
    let made_for = match read_header(path, &which(&with.weights))?.header.profile().made_for_steps() {
        Some(made_for) if made_for != wanted => made_for,
        _ => return open_with(path, with, device),
    };
    let stages = stage_models(path)?;
    if let Some(folder) = stages.get(&wanted) {
        return open_with(folder, with, device);
    }
    let message = format!("{} holds no model made for {wanted} steps", path.display());
    let known: Vec<String> = match stages.is_empty() {
        true => vec![made_for.to_string()],
        false => stages.keys().map(usize::to_string).collect(),
    };
    let known = known.join(", ");
    Err(Failure::usage(message)
        .hint(format!("progressive distillation left those of these numbers of steps: {known}")))
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
