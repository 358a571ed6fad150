//! What a run is put together from, before it is in its folder.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;

use super::home::Home;
use super::{Resumed, Run, place, readable};
use crate::Result;
use crate::checkpoint::{Damaged, TrainState};
use crate::data::{self, Dataset};
use crate::distributed::World;
use crate::model::{Architecture, Network};
use crate::objective::LoadedDistance;
use crate::train::continued::Continued;
use crate::train::trainer::{Parts, recipe_of};
use crate::train::{
    Change, Extend, MemoryForecast, Recipe, Restored, RunFolder, Teacher, TrainError, Trainer,
};

/// A run in the making: a recipe, and whatever does not come from where the recipe says.
pub struct RunBuilder {
    recipe: Recipe,
    data: Option<Box<dyn Dataset>>,
    teacher: Option<Teacher>,
    network: Option<Arc<dyn Network>>,
    distance: Option<LoadedDistance>,
    world: World,
    device: Device,
    available_memory: Option<u64>,
    extend: Option<Extend>,
}

impl RunBuilder {
    /// A run of `recipe`, computed on the default device.
    pub fn new(recipe: Recipe) -> Self {
        let device = Device::default();
        let (data, teacher, network, distance) = (None, None, None, None);
        let (world, available_memory, extend) = (World::default(), None, None);
        Self { recipe, data, teacher, network, distance, world, device, available_memory, extend }
    }

    /// Trains on these images.
    #[must_use]
    pub fn data(mut self, data: Box<dyn Dataset>) -> Self {
        self.data = Some(data);
        self
    }

    /// Learns from this teacher, where the recipe needs one.
    #[must_use]
    pub fn teacher(mut self, teacher: impl Into<Teacher>) -> Self {
        self.teacher = Some(teacher.into());
        self
    }

    /// Trains this network of the program's own; the recipe's `network` is an
    /// [`Architecture::Custom`], which model files will name.
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.network = Some(network);
        self
    }

    /// Compares estimates by this distance, which is the one that the recipe names.
    #[must_use]
    pub fn distance(mut self, distance: LoadedDistance) -> Self {
        self.distance = Some(distance);
        self
    }

    /// Takes the steps together with the other ranks of this world, who make the same calls. All see the same data, teacher and
    /// folder, which rank 0 alone writes. Where the recipe names no `train.shards`, a batch is cut into eight, into as many as there
    /// are ranks if these are more, or into as many as it can be.
    #[must_use]
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// Computes on this device.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Refuses a run that needs more than so many bytes of memory, before anything is made.
    #[must_use]
    pub fn available_memory(mut self, bytes: u64) -> Self {
        self.available_memory = Some(bytes);
        self
    }

    /// Says what becomes of schedules that span the run, should it go on with another length.
    #[must_use]
    pub fn extend(mut self, extend: Extend) -> Self {
        self.extend = Some(extend);
        self
    }

    /// Opens all parts and looks whether they fit together, as a run would before its first step; nothing is made. Returns
    /// what the run will need.
    ///
    /// # Errors
    ///
    /// As [`RunBuilder::create`], but for the folder.
    pub fn check(mut self) -> Result<MemoryForecast> {
        self.settle_shards()?;
        self.world.own_shards(self.recipe.train.n_shards())?;
        let (recipe, available) = (self.recipe.clone(), self.available_memory);
        let (parts, _) = self.opened()?;
        readable::check(parts.data.as_ref(), recipe.data.on_error)?;
        let (network, _) = parts.fitted(&recipe)?;
        let forecast = MemoryForecast::of(&recipe, network.as_ref());
        available.map_or(Ok(()), |available| forecast.fits(&recipe, available))?;
        Ok(forecast)
    }

    /// A new run in `folder`, which is made if need be.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::HasRun`](crate::checkpoint::CheckpointError::HasRun): the folder holds a run already; not a byte of it
    ///   is touched.
    /// - [`TrainError::InTheWay`]: something that no run has made has the name of a file that the run would write.
    /// - [`TrainError::AmongData`]: the folder lies in the data.
    /// - [`CheckpointError::Locked`](crate::checkpoint::CheckpointError::Locked): another process is training there.
    /// - [`CheckpointError::DiskFull`](crate::checkpoint::CheckpointError::DiskFull): not one checkpoint fits there.
    /// - [`TrainError::Teacher`]: the teacher that the recipe names cannot be opened.
    /// - [`TrainError::Memory`]: it needs more than [`RunBuilder::available_memory`].
    /// - data that cannot be opened; as [`Trainer::new`].
    pub fn create(mut self, folder: impl AsRef<Path>) -> Result<Run> {
        let path = folder.as_ref();
        RunFolder::refuse_run(path)?;
        let writes = self.world.writes();
        if writes {
            place::check(path, &self.recipe)?;
        }
        self.settle_shards()?;
        let (mut trainer, damaged) = self.trainer()?;
        if writes {
            place::check_room(path, &trainer)?;
        }
        let keep = trainer.recipe().train.keep;
        let folder = Home::open(trainer.world(), path, || Ok(RunFolder::create(path, keep)?))?;
        Self::in_folder(Run { trainer, folder, damaged, resumed: None, saved: None })
    }

    /// The run that lies in `folder`, as its last intact checkpoint left it; a new one where there is none yet.
    ///
    /// Keys of the recipe that have another value than before are changed from here on, those that may: [`Resumed`] names
    /// them.
    ///
    /// # Errors
    ///
    /// As [`RunBuilder::create`], but for the run that is there; a checkpoint that cannot be read;
    /// [`TrainError::RecipeDiffers`], [`TrainError::FewerSteps`] and [`TrainError::ScheduleUnclear`] where the recipe asks for
    /// what cannot be; as [`Trainer::restore`].
    pub fn resume(mut self, folder: impl AsRef<Path>) -> Result<Run> {
        let path = folder.as_ref();
        if RunFolder::refuse_run(path).is_ok() {
            return self.create(path);
        }
        let keep = self.recipe.train.keep;
        let folder = Home::open(&self.world, path, || Ok(RunFolder::open(path, keep)?))?;
        // Rank 0 has put the folder in order before the others look into it.
        self.world.meet()?;
        let newest = RunFolder::newest_state(path)?;
        let mut changes = self.continue_from(&newest, path)?;
        let specs = match (&self.network, &self.recipe.network) {
            (Some(network), Architecture::Custom(_)) => network.parameters().clone(),
            (_, named) => named.build()?.parameters().clone(),
        };
        let Some(Restored { checkpoint, folder: from, skipped }) = folder.load(&specs, &self.device)? else {
            return Err(TrainError::NoRun { folder: path.into() }.into());
        };
        if checkpoint.state != newest {
            changes = self.continue_from(&checkpoint.state, path)?;
        }
        let (mut trainer, mut damaged) = self.trainer()?;
        damaged.extend(skipped);
        let step = checkpoint.state.step;
        trainer.restore(checkpoint, path)?;
        let resumed = Resumed { step, checkpoint: from, changes };
        Self::in_folder(Run { trainer, folder, damaged, resumed: Some(resumed), saved: Some(step) })
    }

    /// Cuts a batch for the ranks there are, where nobody has said into what.
    fn settle_shards(&mut self) -> Result<()> {
        let train = &mut self.recipe.train;
        if train.shards.is_none() {
            train.shards = self.world.usual_shards(train.batch)?;
        }
        Ok(())
    }

    /// Settles what the run in the folder goes on with after a checkpoint, and returns what is new in it.
    fn continue_from(&mut self, state: &TrainState, folder: &Path) -> Result<Vec<Change>> {
        let before = match recipe_of(state, folder)? {
            Some(recipe) => recipe,
            // Earlier versions have kept it in the folder alone.
            None => Run::recipe_in(folder, &[])?,
        };
        self.recipe.train.shards = self.recipe.train.shards.or(before.train.shards);
        self.settle_shards()?;
        let continued = Continued::new(&before, self.recipe.clone(), state.step, self.extend)?;
        self.recipe = continued.recipe;
        Ok(continued.changes)
    }

    /// Writes down what the run is, and refuses a folder that has no room for a checkpoint of it.
    fn in_folder(mut run: Run) -> Result<Run> {
        let recipe = run.trainer.recipe();
        let text = recipe.to_toml();
        run.folder = run.folder.keeping(recipe.milestones());
        run.disk().check(run.folder.path())?;
        run.trainer.compare_start()?;
        run.folder.write_recipe(&text)?;
        if run.resumed.as_ref().is_some_and(|resumed| !resumed.changes.is_empty()) {
            // What was asked for is part of the run from here on, whenever it is continued again.
            run.folder.record(run.trainer.state())?;
        }
        Ok(run)
    }

    /// The trainer, and what was passed over while its teacher was looked for.
    fn trainer(self) -> Result<(Trainer, Vec<Damaged>)> {
        let (recipe, device, available) = (self.recipe.clone(), self.device.clone(), self.available_memory);
        let (mut parts, damaged) = self.opened()?;
        if let Some(available) = available {
            MemoryForecast::of(&recipe, parts.network(&recipe)?.as_ref()).fits(&recipe, available)?;
        }
        readable::check_for_all(&mut parts, recipe.data.on_error)?;
        Ok((Trainer::with_parts(recipe, parts, &device)?, damaged))
    }

    /// Everything that comes from where the recipe says, opened.
    fn opened(self) -> Result<(Parts, Vec<Damaged>)> {
        let Self { recipe, data, teacher, network, distance, world, device, .. } = self;
        let data = match data {
            Some(data) => data,
            None => data::open(&recipe.data)?,
        };
        let (teacher, damaged) = match (teacher, &recipe.train.teacher) {
            _ if !recipe.needs_teacher() => (None, Vec::new()),
            (None, Some(path)) => {
                let path: &Path = path.as_ref();
                let (teacher, damaged) = Teacher::open(path, network.as_ref(), &device)
                    .map_err(|reason| TrainError::Teacher { path: path.into(), reason: Box::new(reason) })?;
                (Some(teacher), damaged)
            }
            (teacher, _) => (teacher, Vec::new()),
        };
        Ok((Parts { data, teacher, network, distance, world }, damaged))
    }
}
