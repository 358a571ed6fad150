//! How far the runs in a folder are.

use std::path::{Path, PathBuf};

use super::{RECIPE, Run};
use crate::Result;
use crate::checkpoint::{CheckpointError, first_intact, read_manifest};
use crate::train::preview::PREVIEWS;

/// How far a run is, told from its folder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its folder.
    pub folder: PathBuf,
    /// Name of its recipe.
    pub name: String,
    /// The field's name for what it does.
    pub method: String,
    /// Updates that are saved; none where nothing is.
    pub step: Option<u64>,
    /// Updates in all.
    pub steps: u64,
    /// The newest preview.
    pub preview: Option<PathBuf>,
}

impl RunSummary {
    /// The run in a folder.
    ///
    /// # Errors
    ///
    /// As [`Run::recipe_in`]; checkpoints of which none can be read.
    pub fn of(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let recipe = Run::recipe_in(folder, &[])?;
        let newest = first_intact(folder, read_manifest)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            name: recipe.name.clone(),
            method: recipe.method().into(),
            step: newest.map(|(_, manifest)| manifest.state.step),
            steps: recipe.train.steps,
            preview: names(&folder.join(PREVIEWS))?.pop(),
        })
    }

    /// The runs that lie in a folder, by name: every folder in it that holds a recipe. None where the folder is itself a run.
    ///
    /// # Errors
    ///
    /// As [`RunSummary::of`]; a folder that cannot be listed.
    pub fn all_in(folder: impl AsRef<Path>) -> Result<Vec<Self>> {
        let folder = folder.as_ref();
        if folder.join(RECIPE).is_file() {
            return Ok(Vec::new());
        }
        names(folder)?.into_iter().filter(|path| path.join(RECIPE).is_file()).map(Self::of).collect()
    }
}

/// What lies in a folder, in order; nothing in one that is not there.
fn names(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |reason| CheckpointError::from_io("list the folder", folder, reason, 0);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}
