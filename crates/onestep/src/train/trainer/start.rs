//! What a run starts from, and what has to fit together before it does.

use std::sync::Arc;

use burn::tensor::Device;

use super::Trainer;
use crate::checkpoint::TrainState;
use crate::data::{Dataset, ImageShape};
use crate::distributed::World;
use crate::model::{Architecture, Network, Preconditioned, Weights};
use crate::objective::LoadedDistance;
use crate::train::batches::Batches;
use crate::train::method::Given;
use crate::train::training::Start;
use crate::train::{Average, Optimizer, Recipe, Teacher, TrainError};
use crate::{Result, TOOL};

/// What a run is put together from, beside its recipe.
pub struct Parts {
    /// The images.
    pub data: Box<dyn Dataset>,
    /// The model that distillation learns from.
    pub teacher: Option<Teacher>,
    /// A network of the program's own.
    pub network: Option<Arc<dyn Network>>,
    /// A distance that was made ready elsewhere.
    pub distance: Option<LoadedDistance>,
    /// The ranks that take its steps.
    pub world: World,
}

impl Parts {
    /// The network that the recipe names, or the one that was given where it names a program's own.
    pub fn network(&self, recipe: &Recipe) -> Result<Arc<dyn Network>> {
        match (&self.network, &recipe.network) {
            (Some(network), Architecture::Custom(_)) => Ok(network.clone()),
            (Some(_), _) => Err(TrainError::NetworkDiffers.into()),
            (None, named) => Ok(named.build()?),
        }
    }

    /// The network, and the teacher as the run will ask it, where all parts fit the recipe and each other.
    pub fn fitted(&self, recipe: &Recipe) -> Result<(Arc<dyn Network>, Option<Preconditioned>)> {
        let network = self.network(recipe)?;
        recipe.check_for(network.as_ref())?;
        check_data(network.as_ref(), self.data.as_ref())?;
        if matches!(&self.distance, Some(given) if recipe.distance() != Some(given.distance())) {
            return Err(TrainError::DistanceDiffers.into());
        }
        let names = if network.n_classes().is_some() { self.data.class_names() } else { &[] };
        let teacher = match self.teacher.clone() {
            None if recipe.needs_teacher() => return Err(TrainError::TeacherNeeded.into()),
            teacher => teacher.map(|teacher| teacher.fitted(recipe, network.as_ref(), names)).transpose()?,
        };
        Ok((network, teacher))
    }
}

impl Trainer {
    /// A run at its beginning.
    ///
    /// `teacher` is the model that distillation learns from; a consistency-training run that starts at random
    /// needs none and holds none.
    ///
    /// # Errors
    ///
    /// - [`TrainError::TeacherNeeded`] and [`TrainError::TeacherDiffers`] for a missing or unlike teacher.
    /// - [`TrainError::DataDiffers`] where image shape or classes of data and network do not agree.
    /// - [`VisionError`](crate::vision::VisionError) where the weights of the distance are missing or unfit.
    /// - what [`Recipe::check`] and building the network refuse.
    pub fn new(
        recipe: Recipe,
        data: Box<dyn Dataset>,
        teacher: Option<Preconditioned>,
        device: &Device,
    ) -> Result<Self> {
        let teacher = teacher.map(Teacher::from);
        Self::with_parts(
            recipe,
            Parts { data, teacher, network: None, distance: None, world: World::default() },
            device,
        )
    }

    /// The same with a network and a distance that a program may have brought along.
    pub(in crate::train) fn with_parts(recipe: Recipe, parts: Parts, device: &Device) -> Result<Self> {
        let (network, teacher) = parts.fitted(&recipe)?;
        let sha256 = parts.teacher.as_ref().and_then(Teacher::sha256).filter(|_| recipe.distills());
        let sha256 = sha256.map(str::to_owned);
        let Parts { data, distance, mut world, .. } = parts;
        // Too many ranks for the shards are found out before anything is computed.
        world.own_shards(recipe.train.n_shards())?;
        let seed = recipe.train.seed;
        let weights = match (recipe.train.start, &teacher) {
            (Start::Teacher, Some(teacher)) => {
                Teacher::start(teacher, network.as_ref(), &recipe.train.renew, seed)?
            }
            _ => Weights::initialize(network.parameters(), seed, device),
        };
        let state = TrainState {
            seed,
            recipe: Some(recipe.to_toml()),
            // Images are looked at once for all.
            data_fingerprint: world.of_rank_0(|| data.fingerprint())?,
            teacher: sha256,
            tool: TOOL.into(),
            ..TrainState::default()
        };
        let form = recipe.settings().training_preconditioning();
        let student = Preconditioned::new(network, weights, form, recipe.noise.range())
            .with_precision(recipe.train.precision);
        let teacher = teacher.map(|teacher| teacher.with_precision(recipe.train.precision));
        let (noise, train) = (&recipe.noise, &recipe.train);
        let given = Given { noise, train, student: &student, teacher, distance, device };
        Ok(Self {
            method: recipe.settings().build(given)?,
            averages: train.averages.iter().map(|config| Average::new(*config, student.weights())).collect(),
            optimizer: Optimizer::new(train.optimizer, student.weights()),
            batches: Batches::new(&recipe, data, student.network().as_ref()),
            student,
            state,
            news: Vec::new(),
            world,
            device: device.clone(),
            recipe,
        })
    }
}

/// Refuses data whose images or classes the network is not made for.
fn check_data(network: &dyn Network, data: &dyn Dataset) -> Result<(), TrainError> {
    let [height, width, channels] = network.image();
    let made = ImageShape { height, width, channels };
    let n_names = data.class_names().len();
    let differ = |ours: String, theirs: String, keys: &str| {
        Err(TrainError::DataDiffers {
            reason: format!(
                "the network {ours}, the data {theirs}; leave {keys} out of the recipe (or set it to null), and the \
                 network follows the data"
            ),
        })
    };
    if made != data.shape() {
        let keys = "`network.image_size`, `in_channels` and `out_channels`";
        return differ(format!("makes images of {made}"), format!("are {}", data.shape()), keys);
    }
    match network.n_classes() {
        Some(n_classes) if n_names != n_classes => {
            let theirs = if n_names == 0 { "have no labels".into() } else { format!("have {n_names}") };
            differ(format!("knows {n_classes} classes"), theirs, "`network.n_classes`")
        }
        _ => Ok(()),
    }
}
