//! Where a new run may begin: not over what others have made, not among its own data, not where nothing fits.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DiskForecast, EVENTS, RECIPE, Run};
use crate::Result;
use crate::checkpoint::{Disk, Storage};
use crate::data::takes_in;
use crate::train::preview::PREVIEWS;
use crate::train::{Recipe, RunLock, TrainError, Trainer};

/// Refuses a folder in which a run of `recipe` would write over what no run has made, or into its own data. Nothing is made.
///
/// # Errors
///
/// [`TrainError::InTheWay`], [`TrainError::AmongData`].
pub(super) fn check(folder: &Path, recipe: &Recipe) -> Result<(), TrainError> {
    for name in [RECIPE, EVENTS, PREVIEWS] {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() && !is_ours(folder, name, recipe) {
            return Err(TrainError::InTheWay { path });
        }
    }
    if takes_in(&recipe.data, folder) {
        let (folder, source_name) = (folder.to_path_buf(), recipe.data.source.clone());
        return Err(TrainError::AmongData { folder, source_name });
    }
    Ok(())
}

/// Refuses a disk that has no room for a checkpoint of the run that is to begin in `folder`.
///
/// # Errors
///
/// [`CheckpointError::DiskFull`](crate::checkpoint::CheckpointError::DiskFull).
pub(super) fn check_room(folder: &Path, trainer: &Trainer) -> Result<()> {
    let available = Disk.available_bytes(&nearest(folder)).ok();
    let checkpoint = trainer.checkpoint().bytes_needed();
    Ok(DiskForecast { checkpoint, n_checkpoints: 1, available }.check(folder)?)
}

/// Whether a run that ended before its first checkpoint has left what lies there. Its lock tells; and of its recipe, that the
/// text is as runs write it, or the very one that will be written: no word that a person wrote is lost.
fn is_ours(folder: &Path, name: &str, recipe: &Recipe) -> bool {
    let was_run = RunLock::was_in(folder);
    if name != RECIPE {
        return was_run;
    }
    let written = |text: &String| Run::recipe_in(folder, &[]).is_ok_and(|recipe| recipe.to_toml() == *text);
    fs::read_to_string(folder.join(name))
        .is_ok_and(|text| text == recipe.to_toml() || was_run && written(&text))
}

/// The folder, or where it is not there yet the nearest one above it.
fn nearest(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    whole.ancestors().find(|path| path.exists()).map_or_else(|| ".".into(), Path::to_path_buf)
}
