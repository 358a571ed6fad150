//! What a run is put together from, before it is in its folder.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;

use super::{RECIPE, Run};
use crate::Result;
use crate::checkpoint::{Damaged, Which, load_model};
use crate::data::{self, Dataset};
use crate::model::{Architecture, Network, Preconditioned};
use crate::objective::LoadedDistance;
use crate::train::trainer::Parts;
use crate::train::{Recipe, RunFolder, TrainError, Trainer};

/// A run in the making: a recipe, and whatever does not come from where the recipe says.
pub struct RunBuilder {
    recipe: Recipe,
    data: Option<Box<dyn Dataset>>,
    teacher: Option<Preconditioned>,
    network: Option<Arc<dyn Network>>,
    distance: Option<LoadedDistance>,
    device: Device,
}

impl RunBuilder {
    /// A run of `recipe`, computed on the default device.
    pub fn new(recipe: Recipe) -> Self {
        let device = Device::default();
        Self { recipe, data: None, teacher: None, network: None, distance: None, device }
    }

    /// Trains on these images.
    #[must_use]
    pub fn data(mut self, data: Box<dyn Dataset>) -> Self {
        self.data = Some(data);
        self
    }

    /// Learns from this teacher, where the recipe needs one.
    #[must_use]
    pub fn teacher(mut self, teacher: Preconditioned) -> Self {
        self.teacher = Some(teacher);
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

    /// Computes on this device.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// A new run in `folder`, which is made if need be.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::HasRun`](crate::checkpoint::CheckpointError::HasRun): the folder holds a run already; not a byte of it
    ///   is touched.
    /// - [`CheckpointError::Locked`](crate::checkpoint::CheckpointError::Locked): another process is training there.
    /// - [`TrainError::Teacher`]: the teacher that the recipe names cannot be opened.
    /// - data that cannot be opened; as [`Trainer::new`].
    pub fn create(self, folder: impl AsRef<Path>) -> Result<Run> {
        let folder = folder.as_ref();
        RunFolder::refuse_run(folder)?;
        let (trainer, damaged) = self.trainer()?;
        let keep = trainer.recipe().train.keep;
        Self::in_folder(trainer, RunFolder::create(folder, keep)?, damaged)
    }

    /// The run that lies in `folder`, as its last intact checkpoint left it; at its beginning where there is none yet.
    ///
    /// # Errors
    ///
    /// As [`RunBuilder::create`], but for the run that is there; a checkpoint that cannot be read;
    /// [`TrainError::RecipeDiffers`] and [`TrainError::OtherData`] where the recipe or the data are not those of the checkpoint.
    pub fn resume(self, folder: impl AsRef<Path>) -> Result<Run> {
        let path = folder.as_ref();
        let (mut trainer, mut damaged) = self.trainer()?;
        let folder = RunFolder::open(path, trainer.recipe().train.keep)?;
        let specs = trainer.student().network().parameters().clone();
        if let Some(restored) = folder.load(&specs, trainer.device())? {
            trainer.restore(restored.checkpoint, path)?;
            damaged.extend(restored.skipped);
        }
        Self::in_folder(trainer, folder, damaged)
    }

    fn in_folder(trainer: Trainer, folder: RunFolder, damaged: Vec<Damaged>) -> Result<Run> {
        let text = trainer.recipe().to_toml();
        data::write_whole(&folder.path().join(RECIPE), |file| file.write_all(text.as_bytes()))?;
        let folder = folder.keeping(trainer.recipe().milestones());
        Ok(Run { trainer, folder, damaged })
    }

    /// The trainer, and what was passed over while its teacher was looked for.
    fn trainer(self) -> Result<(Trainer, Vec<Damaged>)> {
        let Self { recipe, data, teacher, network, distance, device } = self;
        let data = match data {
            Some(data) => data,
            None => data::open(&recipe.data)?,
        };
        let (teacher, damaged) = match (teacher, &recipe.train.teacher) {
            _ if !recipe.needs_teacher() => (None, Vec::new()),
            (None, Some(path)) => {
                let path: &Path = path.as_ref();
                let (teacher, damaged) = open_teacher(path, network.as_ref(), &device)
                    .map_err(|reason| TrainError::Teacher { path: path.into(), reason: Box::new(reason) })?;
                (Some(teacher), damaged)
            }
            (teacher, _) => (teacher, Vec::new()),
        };
        let trainer = Trainer::with_parts(recipe, Parts { data, teacher, network, distance }, &device)?;
        Ok((trainer, damaged))
    }
}

/// Opens the best weights of a teacher; one of the program's own network is given that.
fn open_teacher(
    path: &Path,
    network: Option<&Arc<dyn Network>>,
    device: &Device,
) -> Result<(Preconditioned, Vec<Damaged>)> {
    let mut loaded = load_model(path, &Which::Best)?;
    let damaged = std::mem::take(&mut loaded.skipped);
    let teacher = match (&loaded.header.architecture, network) {
        (Architecture::Custom(_), Some(network)) => loaded.into_model_with(network.clone(), device)?,
        _ => loaded.into_model(device)?,
    };
    Ok((teacher, damaged))
}
