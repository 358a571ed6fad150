//! Where a run lies, as one of its ranks sees it: rank 0 writes there, the others read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use super::RECIPE;
use crate::Result;
use crate::checkpoint::TrainState;
use crate::checkpoint::layout::{CHECKPOINTS, step_name};
use crate::data::write_whole;
use crate::distributed::World;
use crate::model::ParameterSpec;
use crate::train::{Restored, RunFolder, Trainer};

/// The folder of a run.
pub(super) enum Home {
    /// It is this process's to write.
    Own(RunFolder),
    /// Another rank writes it.
    Followed(PathBuf),
}

impl Home {
    /// The folder at `path`: rank 0's to write.
    pub(super) fn open(world: &World, path: &Path, take: impl FnOnce() -> Result<RunFolder>) -> Result<Self> {
        if world.writes() { take().map(Self::Own) } else { Ok(Self::Followed(path.to_path_buf())) }
    }

    /// The newest intact checkpoint; none where nothing is saved.
    pub(super) fn load(&self, specs: &Arc<[ParameterSpec]>, device: &Device) -> Result<Option<Restored>> {
        Ok(match self {
            Self::Own(folder) => folder.load(specs, device)?,
            Self::Followed(path) => RunFolder::load_from(path, specs, device)?,
        })
    }

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
            write_whole(&folder.path().join(RECIPE), |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    }

    fn step_folder(&self, state: &TrainState) -> PathBuf {
        self.path().join(CHECKPOINTS).join(step_name(state.step))
    }
}
