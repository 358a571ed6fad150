//! The run folder: saving, pruning and continuing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;

use super::step::{read_step, write_step};
use super::{Checkpoint, RunLock};
use crate::checkpoint::layout::{self, CHECKPOINTS, LATEST, STATE, TEMPORARY};
use crate::checkpoint::{
    CheckpointError, Damaged, Disk, Manifest, Storage, TrainState, Writer, first_intact, read_manifest,
    render,
};
use crate::model::ParameterSpec;

/// A run folder that this process owns.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    keep: usize,
    milestones: BTreeSet<u64>,
    storage: Arc<dyn Storage>,
    lock: RunLock,
    /// Whether what this process saves continues what lies here.
    continues: AtomicBool,
}

/// What [`RunFolder::save`] did.
#[derive(Debug)]
pub struct Saved {
    /// The step folder.
    pub folder: PathBuf,
    /// Step folders that were removed, oldest first.
    pub pruned: Vec<PathBuf>,
}

/// What [`RunFolder::load`] found.
#[derive(Debug)]
pub struct Restored {
    /// The run as it was.
    pub checkpoint: Checkpoint,
    /// The step folder it is from.
    pub folder: PathBuf,
    /// Step folders that had to be passed over because they are damaged; worth a warning.
    pub skipped: Vec<Damaged>,
}

impl RunFolder {
    /// Takes possession of a folder for a new run; a folder that holds one already is left as it is.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::HasRun`]: there are checkpoints. As [`RunFolder::open`].
    pub fn create(path: &Path, keep: usize) -> Result<Self, CheckpointError> {
        Self::refuse_run(path)?;
        let folder = Self::open(path, keep)?;
        // Once more with the lock in hand: another process may have saved in between.
        Self::refuse_run(path)?;
        Ok(folder)
    }

    /// Refuses a folder that holds a run, without touching it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::HasRun`].
    pub fn refuse_run(path: &Path) -> Result<(), CheckpointError> {
        if path.join(LATEST).exists() || !layout::candidates(path)?.is_empty() {
            return Err(CheckpointError::HasRun { path: path.to_path_buf() });
        }
        Ok(())
    }

    /// Takes possession of the run folder `path`, which is created if need be, and clears away what a process that
    /// died while saving has left there.
    ///
    /// `keep` newest checkpoints are kept; the one `latest` names is always among them.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::Locked`]: another process is training here.
    /// - [`CheckpointError::CannotCreate`], [`CheckpointError::Io`]: the folder is not usable.
    pub fn open(path: &Path, keep: usize) -> Result<Self, CheckpointError> {
        Self::with_storage(path, keep, Arc::new(Disk))
    }

    /// As [`RunFolder::open`], with another way to the disk.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::open`].
    pub fn with_storage(
        path: &Path,
        keep: usize,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, CheckpointError> {
        let create = |folder: &Path| {
            storage
                .create_folder(folder)
                .map_err(|error| CheckpointError::from_io("create the folder", folder, error, 0))
        };
        create(path)?;
        let lock = RunLock::acquire(path)?;
        create(&path.join(CHECKPOINTS))?;
        let (path, milestones) = (path.to_path_buf(), BTreeSet::new());
        let folder = Self { path, keep, milestones, storage, lock, continues: AtomicBool::new(false) };
        folder.tidy()?;
        Ok(folder)
    }

    /// Keeps the checkpoints of these steps for good, beside the newest.
    #[must_use]
    pub fn keeping(mut self, milestones: impl IntoIterator<Item = u64>) -> Self {
        self.milestones.extend(milestones);
        self
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock; tells whether the file system enforces it.
    pub fn lock(&self) -> &RunLock {
        &self.lock
    }

    /// Bytes that may still be written here; none where the system does not say.
    pub fn available_bytes(&self) -> Option<u64> {
        self.storage.available_bytes(&self.path).ok()
    }

    /// Saves a checkpoint.
    ///
    /// When this returns, the checkpoint is on disk and `latest` names it. When it fails, the checkpoint that `latest`
    /// named before is untouched, unless the failure was in removing old ones, which comes last. Saving a step again
    /// replaces it.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::TakenAway`]: the folder was removed, or another one lies in its place.
    /// - [`CheckpointError::HasRun`]: checkpoints lie here that were never loaded, and saving would remove them.
    /// - [`CheckpointError::NotFinite`]: a weight or a moment is NaN or infinite.
    /// - [`CheckpointError::DiskFull`]: no room, found before anything is written or while writing.
    /// - [`CheckpointError::SameLabel`]: two averages would share a file.
    /// - [`CheckpointError::CannotCreate`], [`CheckpointError::Io`]: the system refused.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<Saved, CheckpointError> {
        self.refuse_taken_away()?;
        if !self.continues.load(Ordering::Relaxed) {
            Self::refuse_run(&self.path)?;
        }
        let needed = checkpoint.bytes_needed();
        let result = self.save_unguarded(checkpoint, needed);
        if result.is_err() {
            // Nothing more can be done if this fails too; the next save or start will try again.
            let _ = self.clear_temporary();
        }
        result.map_err(|error| match error {
            CheckpointError::DiskFull { path, available: None, .. } => {
                CheckpointError::DiskFull { path, needed, available: self.available_bytes() }
            }
            error => error,
        })
    }

    /// Writes down another state for the checkpoint of its step: what the run is now where nothing was trained since. The files
    /// of its models stay as they are, to the byte, for what was made from them knows them by their digests. Returns the step
    /// folder.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::TakenAway`]: the folder was removed, or another one lies in its place.
    /// - [`CheckpointError::NotFound`]: that step is not saved.
    /// - as [`RunFolder::save`] where the system refuses.
    pub fn record(&self, state: &TrainState) -> Result<PathBuf, CheckpointError> {
        self.refuse_taken_away()?;
        self.tidy()?;
        let name = layout::step_name(state.step);
        let folder = self.checkpoints().join(&name);
        let path = folder.join(STATE);
        let manifest = Manifest { state: state.clone(), ..read_manifest(&folder)? };
        let text = render("training state", &path, &manifest)?;
        self.replace(&path, &text, text.len() as u64)?;
        self.sync(&folder)?;
        self.point_latest(&name, text.len() as u64)?;
        Ok(folder)
    }

    fn save_unguarded(&self, checkpoint: &Checkpoint, needed: u64) -> Result<Saved, CheckpointError> {
        self.tidy()?;
        if let Some(available) = self.available_bytes()
            && available < needed
        {
            return Err(CheckpointError::DiskFull {
                path: self.path.clone(),
                needed,
                available: Some(available),
            });
        }
        let name = layout::step_name(checkpoint.state.step);
        let temporary = self.checkpoints().join(format!("{TEMPORARY}{name}"));
        self.run("create the folder", &temporary, |storage, path| storage.create_folder(path))?;
        let manifest = write_step(&*self.storage, checkpoint, &temporary, needed)?;
        self.sync(&temporary)?;
        let folder = self.checkpoints().join(&name);
        self.place(&temporary, &folder, checkpoint.state.step, &manifest)?;
        self.point_latest(&name, needed)?;
        self.continues.store(true, Ordering::Relaxed);
        let pruned = self.prune(checkpoint.state.step)?;
        Ok(Saved { folder, pruned })
    }

    /// Renames the finished temporary folder to its place.
    fn place(
        &self,
        temporary: &Path,
        folder: &Path,
        step: u64,
        manifest: &Manifest,
    ) -> Result<(), CheckpointError> {
        const ACTION: &str = "rename the folder";
        if !folder.exists() {
            self.run(ACTION, temporary, |storage, from| storage.rename(from, folder))?;
            return self.sync(&self.checkpoints());
        }
        // The step was saved before. If those are the same bytes there is nothing to do; else the old folder steps
        // aside, because no system can rename a folder over a full one. A crash between the two renames is repaired
        // by `finish_replacing`.
        if read_step(folder).is_ok_and(|parts| parts.manifest == *manifest) {
            return self.run("remove the folder", temporary, |storage, path| storage.remove_folder(path));
        }
        let aside = self.checkpoints().join(layout::replaced_name(step));
        self.run(ACTION, folder, |storage, from| storage.rename(from, &aside))?;
        if let Err(error) = self.run(ACTION, temporary, |storage, from| storage.rename(from, folder)) {
            let _ = self.storage.rename(&aside, folder);
            return Err(error);
        }
        self.sync(&self.checkpoints())?;
        self.discard(&aside)
    }

    /// Makes `latest` name the folder.
    fn point_latest(&self, name: &str, needed: u64) -> Result<(), CheckpointError> {
        self.replace(&self.path.join(LATEST), &format!("{name}\n"), needed)?;
        self.sync(&self.path)
    }

    /// Puts a file of text in the place of another, in one step.
    fn replace(&self, path: &Path, text: &str, needed: u64) -> Result<(), CheckpointError> {
        let folder = self.checkpoints();
        let temporary = format!("{TEMPORARY}{}", path.file_name().unwrap_or_default().to_string_lossy());
        let mut writer =
            Writer { storage: &*self.storage, folder: &folder, needed, digests: BTreeMap::new() };
        writer.text(&temporary, text)?;
        self.run("replace the file", path, |storage, path| storage.rename(&folder.join(&temporary), path))
    }

    /// Removes the oldest checkpoints, never a milestone and never `current`, which `latest` names.
    fn prune(&self, current: u64) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut steps = layout::list(&self.path)?.steps;
        // Steps beyond the current one are of a past that this run did not continue from: they go first.
        steps.sort_by_key(|&step| (step <= current, step));
        let n_excess = steps.len().saturating_sub(self.keep.max(1));
        let mut pruned = Vec::new();
        let for_good = |step: u64| step <= current && self.milestones.contains(&step);
        for step in steps[..n_excess].iter().copied().filter(|&step| !for_good(step)) {
            let folder = self.checkpoints().join(layout::step_name(step));
            self.discard(&folder)?;
            pruned.push(folder);
        }
        Ok(pruned)
    }

    /// Removes a folder. It loses its name first, so that half of it is never taken for a checkpoint.
    fn discard(&self, folder: &Path) -> Result<(), CheckpointError> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self.checkpoints().join(format!("{TEMPORARY}old-{name}"));
        self.run("remove the old checkpoint", folder, |storage, from| {
            storage.rename(from, &temporary)?;
            storage.remove_folder(&temporary)
        })
    }

    /// Ends what an earlier process, or a save that failed, has left unfinished.
    fn tidy(&self) -> Result<(), CheckpointError> {
        self.clear_temporary()?;
        self.finish_replacing()
    }

    /// Removes what was never finished. Only the owner of the lock writes here, so it can be nobody else's.
    fn clear_temporary(&self) -> Result<(), CheckpointError> {
        for path in layout::list(&self.path)?.temporary {
            self.run("remove the leftover", &path, |storage, path| {
                // A planted link to a folder is removed as a link.
                if path.symlink_metadata()?.is_dir() {
                    storage.remove_folder(path)
                } else {
                    storage.remove_file(path)
                }
            })?;
        }
        Ok(())
    }

    /// Ends a replacement that a crash has interrupted: forwards if the new folder is there, else backwards.
    fn finish_replacing(&self) -> Result<(), CheckpointError> {
        let listing = layout::list(&self.path)?;
        for &step in &listing.replaced {
            let aside = self.checkpoints().join(layout::replaced_name(step));
            if listing.steps.contains(&step) {
                self.discard(&aside)?;
            } else {
                let folder = self.checkpoints().join(layout::step_name(step));
                self.run("rename the folder", &aside, |storage, from| storage.rename(from, &folder))?;
                self.sync(&self.checkpoints())?;
            }
        }
        Ok(())
    }

    /// Loads the checkpoint `latest` names, or the newest intact one if that is damaged; none in a run that has not
    /// saved yet.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::NothingIntact`]: there are checkpoints, but none can be used.
    /// - [`CheckpointError::WrongModel`], [`CheckpointError::WrongOptimizer`]: it is of another network than `specs`.
    /// - [`CheckpointError::NewerFormat`]: it is of a later version of this tool.
    /// - [`CheckpointError::Io`]: the folder cannot be listed.
    pub fn load(
        &self,
        specs: &Arc<[ParameterSpec]>,
        device: &Device,
    ) -> Result<Option<Restored>, CheckpointError> {
        let restored = Self::load_from(&self.path, specs, device)?;
        if restored.is_some() {
            self.continues.store(true, Ordering::Relaxed);
        }
        Ok(restored)
    }

    /// As [`RunFolder::load`], of a folder that may be another process's to write.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::load`].
    pub(in crate::train) fn load_from(
        path: &Path,
        specs: &Arc<[ParameterSpec]>,
        device: &Device,
    ) -> Result<Option<Restored>, CheckpointError> {
        let read = |folder: &Path| Ok((folder.to_path_buf(), read_step(folder)?));
        let Some((skipped, (folder, parts))) = first_intact(path, read)? else { return Ok(None) };
        // Only now, outside of the search: a network that does not fit is no reason to try older checkpoints.
        let checkpoint = parts.assemble(&folder, specs, device)?;
        Ok(Some(Restored { checkpoint, folder, skipped }))
    }

    /// The place of the newest checkpoint of the run in a folder, without its numbers.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::load`]; [`CheckpointError::NotFound`] in a run that has not saved yet.
    pub fn newest_state(path: &Path) -> Result<TrainState, CheckpointError> {
        match first_intact(path, read_manifest)? {
            Some((_, manifest)) => Ok(manifest.state),
            None => Err(CheckpointError::NotFound { path: path.to_path_buf() }),
        }
    }

    /// Refuses to save where the run's folder was taken away: what is written there would be another run.
    fn refuse_taken_away(&self) -> Result<(), CheckpointError> {
        match self.lock.is_in_place(&self.path) {
            true => Ok(()),
            false => Err(CheckpointError::TakenAway { path: self.path.clone() }),
        }
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    fn sync(&self, folder: &Path) -> Result<(), CheckpointError> {
        self.run("force the folder to disk", folder, |storage, path| storage.sync_folder(path))
    }

    /// Does something to `path` and says so if it fails.
    fn run(
        &self,
        action: &'static str,
        path: &Path,
        operation: impl FnOnce(&dyn Storage, &Path) -> std::io::Result<()>,
    ) -> Result<(), CheckpointError> {
        operation(&*self.storage, path).map_err(|error| CheckpointError::from_io(action, path, error, 0))
    }
}
