//! Where a run lies, as one of its ranks sees it: rank 0 writes there, the others read.

use std::path::{Path, PathBuf};

use super::RECIPE;
use crate::Result;
use crate::checkpoint::TrainState;
use crate::checkpoint::layout::{CHECKPOINTS, step_name};
use crate::train::{RunFolder, Trainer};

/// The folder of a run.
pub(super) enum Home {
    /// It is this process's to write.
    Own(RunFolder),
    /// Another rank writes it.
    Followed(PathBuf),
}

impl Home {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Followed(path) => path,
        }
    }

    /// Bytes that may still be written here; none where that is not known, or not this rank's concern.
    pub(super) fn available_bytes(&self) -> Option<u64> {
        match self {
            Self::Own(folder) => folder.available_bytes(),
            Self::Followed(_) => None,
        }
    }

    /// Keeps the checkpoints of these steps for good.
    pub(super) fn keeping(self, milestones: Vec<u64>) -> Self {
        match self {
            Self::Own(folder) => Self::Own(folder.keeping(milestones)),
            followed => followed,
        }
    }

    /// Saves a checkpoint, where this rank saves, and returns its folder.
    pub(super) fn save(&self, trainer: &Trainer) -> Result<PathBuf> {
        match self {
            Self::Own(folder) => Ok(folder.save(&trainer.checkpoint())?.folder),
            Self::Followed(_) => Ok(self.step_folder(trainer.state())),
        }
    }

    /// Writes down another state for the checkpoint of its step, where this rank writes, and returns its folder.
    pub(super) fn record(&self, state: &TrainState) -> Result<PathBuf> {
        match self {
            Self::Own(folder) => Ok(folder.record(state)?),
            Self::Followed(_) => Ok(self.step_folder(state)),
        }
    }

    /// Writes the recipe, where this rank writes.
    pub(super) fn write_recipe(&self, text: &str) -> Result<()> {
        if let Self::Own(folder) = self {
            crate::data::write_whole(&folder.path().join(RECIPE), |file| {
                std::io::Write::write_all(file, text.as_bytes())
            })?;
        }
        Ok(())
    }

    fn step_folder(&self, state: &TrainState) -> PathBuf {
        self.path().join(CHECKPOINTS).join(step_name(state.step))
    }
}
