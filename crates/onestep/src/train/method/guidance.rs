//! Teachers that are guided, and students that are told how much.

use burn::tensor::Tensor;

use super::{Surroundings, bad};
use crate::model::{
    Condition, Denoiser, GuidanceRange, Guided, ModelError, Preconditioned, TrigFlow, Velocity,
};
use crate::train::RecipeError;

/// A teacher as a method asks it.
#[derive(Debug, Clone)]
pub struct AskedTeacher {
    model: Preconditioned,
    guidance: TeacherGuidance,
}

/// How a teacher is guided.
#[derive(Debug, Clone, Copy, PartialEq)]
enum TeacherGuidance {
    /// Not at all; a scale that comes with the condition is told to its network.
    None,
    /// At the scale that comes with each sample's condition, which its student is told.
    Each,
    /// Always at one scale, of which the student is not told.
    Always(f64),
}

impl AskedTeacher {
    /// A teacher that is guided at these scales, if any, for a student that is told of them or not.
    pub fn new(model: Preconditioned, guidance: Option<GuidanceRange>, told: bool) -> Self {
        let guidance = match guidance {
            None => TeacherGuidance::None,
            Some(_) if told => TeacherGuidance::Each,
            Some(range) => TeacherGuidance::Always(range.low),
        };
        Self { model, guidance }
    }

    /// A teacher that was a student itself: the scales are in its weights.
    pub fn plain(model: Preconditioned) -> Self {
        Self { model, guidance: TeacherGuidance::None }
    }

    /// The model itself.
    pub fn model(&self) -> &Preconditioned {
        &self.model
    }

    /// What a guided teacher is told; none where it is not guided.
    fn condition(&self, condition: &Condition, batch: usize) -> Option<Condition> {
        match self.guidance {
            TeacherGuidance::None => None,
            TeacherGuidance::Each => Some(condition.clone()),
            TeacherGuidance::Always(scale) => Some(condition.with_guidance(Some(vec![scale; batch]))),
        }
    }
}

impl Denoiser for AskedTeacher {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        match self.condition(condition, noisy.dims()[0]) {
            Some(guided) => Guided(&self.model).denoise(noisy, sigma, &guided),
            None => self.model.denoise(noisy, sigma, condition),
        }
    }

    fn sigma_min(&self) -> f64 {
        self.model.sigma_min()
    }
}

impl TrigFlow for AskedTeacher {
    fn velocity(
        &self,
        noisy: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        match self.condition(condition, noisy.dims()[0]) {
            Some(guided) => Guided(&self.model).velocity(noisy, angle, &guided),
            None => self.model.velocity(noisy, angle, condition),
        }
    }

    fn velocity_along(
        &self,
        noisy: Tensor<4>,
        direction: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Velocity, ModelError> {
        match self.condition(condition, noisy.dims()[0]) {
            Some(guided) => Guided(&self.model).velocity_along(noisy, direction, angle, &guided),
            None => self.model.velocity_along(noisy, direction, angle, condition),
        }
    }
}

/// Refuses scales that the method or the network cannot have, and a network that is told a scale by nobody.
pub fn check(
    guidance: Option<GuidanceRange>,
    distills: bool,
    around: &Surroundings<'_>,
) -> Result<(), RecipeError> {
    let key = "objective.guidance";
    // A network that cannot be built yet is looked at when it is.
    let Some(network) = around.network else { return Ok(()) };
    let Some(range) = guidance else {
        return match network.takes_guidance() {
            true => bad(
                "network.guidance_embedding",
                "makes a network that is told a guidance scale, and nothing tells it one: it belongs to objective.guidance",
            ),
            false => Ok(()),
        };
    };
    range.check().map_err(|error| RecipeError::Value { key, reason: error.to_string() })?;
    if !distills {
        return bad(key, "guides a teacher, and this objective asks none");
    }
    if network.n_classes().is_none() {
        return bad(key, "guides towards classes, and the network knows none");
    }
    if range.only().is_none() && !network.takes_guidance() {
        return bad(
            key,
            "is a range, and the network must be told which scale it is: set network.guidance_embedding = true, or both ends \
             to one scale",
        );
    }
    Ok(())
}
