//! Teachers: models that a student learns from or starts from, and what has to fit together.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::training::{Renew, Start};
use super::{Recipe, TrainError};
use crate::Result;
use crate::checkpoint::{Damaged, Which, load_model};
use crate::data::ImageShape;
use crate::model::{
    Architecture, Network, NoiseRange, ParameterSpec, Preconditioned, Preconditioning, Weights,
};

/// Names of the layers that know the classes, in all networks.
const CLASS_LAYERS: [&str; 3] = ["label", "label_emb", "map_label"];

/// Names of the layers that are told the guidance scale, in all networks.
const GUIDANCE_LAYERS: [&str; 3] = ["guidance", "guidance_emb", "map_guidance"];

/// A model to learn from or to start from, with what tells it from another one.
#[derive(Debug, Clone)]
pub struct Teacher {
    model: Preconditioned,
    sha256: Option<String>,
    class_names: Vec<String>,
    /// Whether it knows what an image without a class is; of a model of no file nobody knows, and it is believed to.
    knows_null_class: bool,
}

impl From<Preconditioned> for Teacher {
    /// A model of the program's own, which no file tells from another one and which has no names for its classes.
    fn from(model: Preconditioned) -> Self {
        Self { model, sha256: None, class_names: Vec::new(), knows_null_class: true }
    }
}

impl Teacher {
    /// Opens the best weights of a model file or of a run, and says what had to be passed over; a model of the program's own
    /// network is given that.
    ///
    /// # Errors
    ///
    /// As [`load_model`]; a network that cannot be built.
    pub(super) fn open(
        path: &Path,
        network: Option<&Arc<dyn Network>>,
        device: &Device,
    ) -> Result<(Self, Vec<Damaged>)> {
        let mut loaded = load_model(path, &Which::Best)?;
        let damaged = std::mem::take(&mut loaded.skipped);
        let (sha256, class_names) = (Some(loaded.sha256.clone()), loaded.header.class_names.clone());
        let knows_null_class = loaded.header.knows_null_class();
        let model = match (&loaded.header.architecture, network) {
            (Architecture::Custom(_), Some(network)) => loaded.into_model_with(network.clone(), device)?,
            _ => loaded.into_model(device)?,
        };
        Ok((Self { model, sha256, class_names, knows_null_class }, damaged))
    }

    /// SHA-256 of its file, in hexadecimal.
    pub(super) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// The model, where it fits the recipe, the student's network and the data, with its classes in the order of `class_names`.
    ///
    /// # Errors
    ///
    /// [`TrainError::TeacherDiffers`] with what does not fit.
    pub(super) fn fitted(
        self,
        recipe: &Recipe,
        network: &dyn Network,
        class_names: &[String],
    ) -> Result<Preconditioned, TrainError> {
        if recipe.distills() {
            self.check_asked(network)?;
        }
        if recipe.settings().guidance().is_some() && !self.knows_null_class {
            return differs(
                "objective.guidance guides it, and it was never trained on images without their class; train it with \
                 train.drop_class = 0.1",
            );
        }
        self.check_noise(recipe.noise.range())?;
        let form = self.model.preconditioning();
        if recipe.train.start == Start::Teacher
            && let Some(reason) = recipe.settings().start_refused(form)
        {
            return differs(reason);
        }
        let copied = recipe.distills() || !recipe.train.renew.contains(&Renew::ClassEmbedding);
        if copied { self.with_classes(class_names) } else { Ok(self.model) }
    }

    /// Refuses a model that the loss cannot ask.
    fn check_asked(&self, network: &dyn Network) -> Result<(), TrainError> {
        let other = self.model.network();
        if other.image() != network.image() {
            let shape = |[height, width, channels]: [usize; 3]| ImageShape { height, width, channels };
            return differs(format!(
                "it makes images of {}, the student of {}",
                shape(other.image()),
                shape(network.image())
            ));
        }
        if other.n_classes() != network.n_classes() {
            let knows = |n_classes: Option<usize>| match n_classes {
                Some(1) => "1 class".to_owned(),
                Some(n) => format!("{n} classes"),
                None => "no classes".to_owned(),
            };
            let (its, own) = (knows(other.n_classes()), knows(network.n_classes()));
            return differs(format!(
                "it knows {its}, the student {own}; data.labels says where classes come from"
            ));
        }
        if self.model.preconditioning() == Preconditioning::Boundary {
            return differs(
                "it is a consistency model, and only a diffusion model has an ODE to follow; give a diffusion model",
            );
        }
        Ok(())
    }

    /// Refuses a model of data of another scale, and one that was never trained at levels of the recipe.
    fn check_noise(&self, own: NoiseRange) -> Result<(), TrainError> {
        let its = self.model.range();
        if its.sigma_data != own.sigma_data {
            return differs(format!(
                "it was trained with noise.sigma_data = {}, the recipe has {}",
                its.sigma_data, own.sigma_data
            ));
        }
        if own.sigma_min < its.sigma_min || own.sigma_max > its.sigma_max {
            return differs(format!(
                "it was trained at noise levels {} to {}, the recipe wants {} to {}; set noise.sigma_min and \
                 noise.sigma_max to levels that it knows",
                its.sigma_min, its.sigma_max, own.sigma_min, own.sigma_max
            ));
        }
        Ok(())
    }

    /// The model with its classes in the order of these names; where one side has no names, it is taken as it is.
    fn with_classes(self, names: &[String]) -> Result<Preconditioned, TrainError> {
        let Self { model, class_names, .. } = self;
        if names.is_empty() || class_names.is_empty() || class_names == names {
            return Ok(model);
        }
        let place = |name: &String| class_names.iter().position(|known| known == name);
        let order: Option<Vec<usize>> = names.iter().map(place).collect();
        match order {
            Some(order) if names.len() == class_names.len() => Ok(reordered(&model, &order)),
            _ => differs(format!(
                "its classes are {}, those of the data are {}; with train.start = \"teacher\", \
                 train.renew = [\"class-embedding\"] lets a student that is not distilled learn other classes",
                class_names.join(", "),
                names.join(", ")
            )),
        }
    }

    /// The weights that a student begins with: the teacher's, and fresh ones for what is to be renewed. A layer for the guidance
    /// scale that the teacher does not have begins at zero, so that the student is the same function.
    ///
    /// # Randomness
    ///
    /// Fresh weights are a function of `seed`.
    ///
    /// # Errors
    ///
    /// [`TrainError::TeacherDiffers`] where the two are not the same network beyond that.
    pub(super) fn start(
        teacher: &Preconditioned,
        student: &dyn Network,
        renew: &[Renew],
        seed: u64,
    ) -> Result<Weights, TrainError> {
        let specs = student.parameters();
        let sizes = [teacher.network().image(), student.image()];
        let teacher = teacher.weights();
        let named =
            |spec: &ParameterSpec| teacher.iter().find(|(other, _)| at_size(&other.name, sizes) == spec.name);
        let renewed = |spec: &ParameterSpec| {
            renew.contains(&Renew::ClassEmbedding) && knows_classes(spec)
                || is_of(spec, &GUIDANCE_LAYERS) && named(spec).is_none()
        };
        let device = teacher.values()[0].device();
        let fresh = specs.iter().any(renewed).then(|| Weights::initialize(specs, seed, &device));
        let find = |spec: &ParameterSpec| named(spec).filter(|(other, _)| other.shape == spec.shape);
        let lacking = specs.iter().filter(|spec| !renewed(spec) && find(spec).is_none());
        // What knows no classes comes first: where networks differ in that, it does not help to renew what knows them.
        if let Some(spec) = lacking.min_by_key(|spec| knows_classes(spec)) {
            let (ParameterSpec { name, shape, .. }, remedy) = (spec, remedy(spec));
            return differs(match named(spec) {
                Some((other, _)) => {
                    format!(
                        "its tensor `{name}` has shape {:?}, the student's {shape:?}{remedy}",
                        other.shape
                    )
                }
                None => format!("it has no tensor `{name}` of shape {shape:?} to start from{remedy}"),
            });
        }
        let values = specs.iter().enumerate().filter_map(|(index, spec)| match &fresh {
            Some(fresh) if renewed(spec) => Some(fresh.values()[index].clone()),
            _ => find(spec).map(|(_, value)| value.clone()),
        });
        let known = |other: &ParameterSpec| {
            renewed(other) || specs.iter().any(|spec| spec.name == at_size(&other.name, sizes))
        };
        match teacher.specs().iter().filter(|other| !known(other)).min_by_key(|spec| knows_classes(spec)) {
            Some(other) => {
                let remedy = remedy(other);
                differs(format!("it has a tensor `{}` that the student does not have{remedy}", other.name))
            }
            None => Ok(Weights::from_values(specs, values.collect())),
        }
    }
}

fn differs<T>(reason: impl Into<String>) -> Result<T, TrainError> {
    Err(TrainError::TeacherDiffers { reason: reason.into() })
}

/// What to do about a tensor that only one of student and teacher has.
fn remedy(spec: &ParameterSpec) -> &'static str {
    match knows_classes(spec) {
        true => "; train.renew = [\"class-embedding\"] makes what it knows of classes anew",
        false => "; student and teacher must be of the same `network`",
    }
}

/// Whether a tensor is part of what a network knows of its classes.
fn knows_classes(spec: &ParameterSpec) -> bool {
    is_of(spec, &CLASS_LAYERS)
}

/// Whether a tensor is part of one of these layers.
fn is_of(spec: &ParameterSpec, layers: &[&str]) -> bool {
    spec.name.split('.').any(|part| layers.contains(&part))
}

/// The name that a tensor of a network for images of one size has in the same network for another size: EDM's networks name
/// their levels by the size of the feature maps, `16x16_block0`.
fn at_size(name: &str, [from, to]: [[usize; 3]; 2]) -> String {
    let renamed = |part: &str| -> Option<String> {
        let (size, rest) = part.split_once('_')?;
        let (first, second) = size.split_once('x')?;
        let size: [usize; 2] = [first.parse().ok()?, second.parse().ok()?];
        let halved = |image: [usize; 3], times: u32| [image[0] >> times, image[1] >> times];
        let times = (0..usize::BITS).find(|&times| halved(from, times) == size)?;
        let [height, width] = halved(to, times);
        Some(format!("{height}x{width}_{rest}"))
    };
    let parts = name.split('.').map(|part| renamed(part).unwrap_or_else(|| part.to_owned()));
    parts.collect::<Vec<_>>().join(".")
}

/// The same model with its class number `order[i]` at place i: the rows of its class embedding change places, and nothing else.
fn reordered(model: &Preconditioned, order: &[usize]) -> Preconditioned {
    let weights = model.weights();
    let values = weights.iter().map(|(spec, value)| match spec.shape.as_slice() {
        &[n_classes, width] if n_classes == order.len() && knows_classes(spec) => {
            let device = value.device();
            let data: Vec<f32> = value.to_data().iter::<f32>().collect();
            let rows = order.iter().flat_map(|&row| data[row * width..][..width].iter().copied());
            Tensor::from_data(TensorData::new(rows.collect::<Vec<f32>>(), [data.len()]), &device)
        }
        _ => value.clone(),
    });
    model.with_weights(Weights::from_values(weights.specs(), values.collect()))
}
