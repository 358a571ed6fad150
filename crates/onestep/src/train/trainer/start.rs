//! What a run starts from, and what has to fit together before it does.

use std::sync::Arc;

use burn::tensor::Device;

use super::Trainer;
use crate::checkpoint::TrainState;
use crate::data::Dataset;
use crate::model::{Architecture, Network, ParameterSpec, Preconditioned, Preconditioning, Weights};
use crate::objective::LoadedDistance;
use crate::train::batches::Batches;
use crate::train::method::Given;
use crate::train::training::Start;
use crate::train::{Average, Optimizer, Recipe, TrainError};
use crate::{Result, TOOL};

/// What a run is put together from, beside its recipe.
pub struct Parts {
    /// The images.
    pub data: Box<dyn Dataset>,
    /// The model that distillation learns from.
    pub teacher: Option<Preconditioned>,
    /// A network of the program's own.
    pub network: Option<Arc<dyn Network>>,
    /// A distance that was made ready elsewhere.
    pub distance: Option<LoadedDistance>,
}

impl Parts {
    /// The network that the recipe names, or the one that was given where it names a program's own.
    fn network(&self, recipe: &Recipe) -> Result<Arc<dyn Network>> {
        match (&self.network, &recipe.network) {
            (Some(network), Architecture::Custom(_)) => Ok(network.clone()),
            (Some(_), _) => Err(TrainError::NetworkDiffers.into()),
            (None, named) => Ok(named.build()?),
        }
    }

    /// Refuses parts that do not fit the recipe or each other.
    fn check(&self, recipe: &Recipe, network: &dyn Network) -> Result<(), TrainError> {
        check_data(network, self.data.as_ref())?;
        check_teacher(recipe, network, self.teacher.as_ref())?;
        match &self.distance {
            Some(given) if recipe.distance() != Some(given.distance()) => Err(TrainError::DistanceDiffers),
            _ => Ok(()),
        }
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
        Self::with_parts(recipe, Parts { data, teacher, network: None, distance: None }, device)
    }

    /// The same with a network and a distance that a program may have brought along.
    pub(in crate::train) fn with_parts(recipe: Recipe, parts: Parts, device: &Device) -> Result<Self> {
        let network = parts.network(&recipe)?;
        recipe.check_for(network.image())?;
        parts.check(&recipe, network.as_ref())?;
        let Parts { data, teacher, distance, .. } = parts;
        let weights = match (recipe.train.start, &teacher) {
            (Start::Teacher, Some(teacher)) => copy_weights(teacher.weights(), network.parameters())?,
            _ => Weights::initialize(network.parameters(), recipe.train.seed, device),
        };
        let state = TrainState {
            step: 0,
            images_seen: 0,
            seed: recipe.train.seed,
            skipped_updates: 0,
            consecutive_bad: 0,
            recipe_digest: recipe.digest(),
            data_fingerprint: data.fingerprint(),
            tool: TOOL.into(),
        };
        let labels = network.n_classes().is_some();
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
            batches: Batches::new(&recipe, data, labels),
            student,
            state,
            device: device.clone(),
            recipe,
        })
    }
}

/// Refuses data whose images or classes the network is not made for.
fn check_data(network: &dyn Network, data: &dyn Dataset) -> Result<(), TrainError> {
    let shape = data.shape();
    let [height, width, channels] = network.image();
    if [height, width, channels] != [shape.height, shape.width, shape.channels] {
        return Err(TrainError::DataDiffers {
            reason: format!(
                "the network makes images of {width}x{height} with {channels} channels, the data are {}x{} with {}",
                shape.width, shape.height, shape.channels
            ),
        });
    }
    let n_names = data.class_names().len();
    match network.n_classes() {
        Some(n_classes) if n_names != n_classes => Err(TrainError::DataDiffers {
            reason: match n_names {
                0 => format!("the network knows {n_classes} classes, the data have no labels"),
                n => format!("the network knows {n_classes} classes, the data have {n}"),
            },
        }),
        _ => Ok(()),
    }
}

/// Refuses a missing teacher, and one that the loss cannot ask.
fn check_teacher(
    recipe: &Recipe,
    network: &dyn Network,
    teacher: Option<&Preconditioned>,
) -> Result<(), TrainError> {
    let differs = |reason: &str| Err(TrainError::TeacherDiffers { reason: reason.into() });
    match teacher {
        None if recipe.needs_teacher() => return Err(TrainError::TeacherNeeded),
        Some(teacher) if recipe.distills() => {
            let other = teacher.network();
            if other.image() != network.image() || other.n_classes() != network.n_classes() {
                return differs("it makes images of another shape, or knows other classes");
            }
            if teacher.preconditioning() == Preconditioning::Boundary {
                return differs(
                    "it is a consistency model, and only a diffusion model has an ODE to follow; give a diffusion model",
                );
            }
        }
        _ => {}
    }
    let form = teacher.map(Preconditioned::preconditioning).filter(|_| recipe.train.start == Start::Teacher);
    match form.and_then(|form| recipe.settings().start_refused(form)) {
        Some(reason) => differs(reason),
        None => Ok(()),
    }
}

/// The teacher's weights as the student's start; both must be the same network.
fn copy_weights(teacher: &Weights, specs: &Arc<[ParameterSpec]>) -> Result<Weights, TrainError> {
    for spec in specs.iter() {
        let same = |other: &&ParameterSpec| other.name == spec.name && other.shape == spec.shape;
        if teacher.specs().iter().find(same).is_none() {
            return Err(TrainError::TeacherDiffers {
                reason: format!("it has no tensor `{}` of shape {:?} to start from", spec.name, spec.shape),
            });
        }
    }
    if teacher.specs().len() != specs.len() {
        return Err(TrainError::TeacherDiffers { reason: "it has more tensors than the student".into() });
    }
    Ok(Weights::from_values(specs, teacher.values().to_vec()))
}
