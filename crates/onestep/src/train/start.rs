//! What a run starts from, and what has to fit together before it does.

use std::sync::Arc;

use super::TrainError;
use super::recipe::{Objective, Recipe, Start};
use crate::data::Dataset;
use crate::model::{Network, ParameterSpec, Preconditioned, Preconditioning, Weights};

/// Refuses data whose images or classes the network is not made for.
pub(super) fn check_data(network: &dyn Network, data: &dyn Dataset) -> Result<(), TrainError> {
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
pub(super) fn check_teacher(
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
    // Whose weights cannot start a model of the recipe's form as the same function.
    match teacher.map(Preconditioned::preconditioning) {
        Some(form)
            if recipe.train.start == Start::Teacher && !form.continues_as(recipe.preconditioning()) =>
        {
            let continuous = matches!(recipe.objective, Objective::Continuous { .. });
            differs(match (continuous, form) {
                (true, Preconditioning::Trig) => {
                    "it is told the angle, and a student that starts from it must be too: set objective.preconditioning to \"trig\""
                }
                (true, _) => {
                    "it is told ln(σ)/4, and a student that starts from it must be too: set objective.preconditioning to \"trig-edm\""
                }
                (false, _) => {
                    "it is a TrigFlow model, from whose weights this recipe cannot start; give an EDM model"
                }
            })
        }
        _ => Ok(()),
    }
}

/// The teacher's weights as the student's start; both must be the same network.
pub(super) fn copy_weights(teacher: &Weights, specs: &Arc<[ParameterSpec]>) -> Result<Weights, TrainError> {
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
