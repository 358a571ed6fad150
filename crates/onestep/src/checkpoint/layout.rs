//! The names in a run folder: where things lie, and in which order to look for a checkpoint.
//!
//! ```text
//! RUN/latest                      the name of a step folder
//! RUN/.lock                       process id of the writer
//! RUN/ckpt/step-00001200/         model.safetensors, ema-....safetensors, target.safetensors, teacher.safetensors,
//!                                 optim.safetensors, weighting.safetensors, state.json
//! RUN/ckpt/step-00001200.replaced a step folder that is about to be replaced by another of the same step
//! RUN/ckpt/.tmp-...               unfinished; means nothing
//! ```
//!
//! `latest` is a text file, not a symbolic link: it survives copying, archives, object stores and Windows, and it can
//! be replaced in one step everywhere.

use std::io;
use std::path::{Path, PathBuf};

use super::CheckpointError;

pub(crate) const MODEL: &str = "model.safetensors";
pub(crate) const TARGET: &str = "target.safetensors";
pub(crate) const TEACHER: &str = "teacher.safetensors";
pub(crate) const OPTIMIZER: &str = "optim.safetensors";
pub(crate) const WEIGHTING: &str = "weighting.safetensors";
pub(crate) const STATE: &str = "state.json";
pub(crate) const LATEST: &str = "latest";
pub(crate) const CHECKPOINTS: &str = "ckpt";
pub(crate) const TEMPORARY: &str = ".tmp-";
const REPLACED: &str = ".replaced";

/// File name of the weights with this label.
pub(crate) fn weights_file(label: &str) -> String {
    format!("{label}.safetensors")
}

/// Name of the folder of a step.
pub(crate) fn step_name(step: u64) -> String {
    format!("step-{step:08}")
}

/// Name of that folder while it is being replaced.
pub(crate) fn replaced_name(step: u64) -> String {
    format!("{}{REPLACED}", step_name(step))
}

/// The step of a folder's name, and whether it is one being replaced; none for any other name.
pub(crate) fn parse_step(name: &str) -> Option<(u64, bool)> {
    let (base, replaced) = match name.strip_suffix(REPLACED) {
        Some(base) => (base, true),
        None => (name, false),
    };
    let step = base.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == base).then_some((step, replaced))
}

/// What is in `RUN/ckpt`.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Steps with a finished folder, ascending.
    pub steps: Vec<u64>,
    /// Steps with a folder that was being replaced, ascending.
    pub replaced: Vec<u64>,
    /// Unfinished files and folders.
    pub temporary: Vec<PathBuf>,
}

/// Lists `RUN/ckpt`; a folder that does not exist holds nothing.
pub(crate) fn list(run: &Path) -> Result<Listing, CheckpointError> {
    let folder = run.join(CHECKPOINTS);
    let failed = |reason| CheckpointError::Io { action: "list the folder", path: folder.clone(), reason };
    let mut listing = Listing::default();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        match parse_step(name) {
            Some((step, false)) => listing.steps.push(step),
            Some((step, true)) => listing.replaced.push(step),
            None if name.starts_with(TEMPORARY) => listing.temporary.push(entry.path()),
            None => {}
        }
    }
    listing.steps.sort_unstable();
    listing.replaced.sort_unstable();
    Ok(listing)
}

/// The step that `RUN/latest` names; none if there is no such file or it does not hold the name of a step folder.
pub(crate) fn latest(run: &Path) -> Result<Option<u64>, CheckpointError> {
    let path = run.join(LATEST);
    match std::fs::read(&path) {
        Ok(bytes) => {
            Ok(match std::str::from_utf8(&bytes).ok().and_then(|name| parse_step(name.trim_end())) {
                Some((step, false)) => Some(step),
                _ => None,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(CheckpointError::Io { action: "read the file", path, reason }),
    }
}

/// The step folders of a run in the order in which to try them: the one `latest` names, then from the newest on.
pub(crate) fn candidates(run: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let listing = list(run)?;
    let latest = latest(run)?;
    let mut order: Vec<(u64, bool)> = listing.steps.iter().map(|&step| (step, false)).collect();
    order.extend(listing.replaced.iter().map(|&step| (step, true)));
    // Of one step, the finished folder comes before the one it replaces.
    order.sort_by_key(|&(step, replaced)| (latest != Some(step), std::cmp::Reverse(step), replaced));
    if let Some(step) = latest
        && !listing.steps.contains(&step)
    {
        // Named but gone: tried, so that it is reported.
        order.insert(0, (step, false));
    }
    let folder = run.join(CHECKPOINTS);
    let name = |(step, replaced)| if replaced { replaced_name(step) } else { step_name(step) };
    Ok(order.into_iter().map(|entry| folder.join(name(entry))).collect())
}
