//! What a model is for: which sampler it wants.

use serde::{Deserialize, Serialize};

/// What a model's estimate is, and so how one samples from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// The mean of all images that could lie behind the noise: a diffusion model, whose ODE is followed in many steps.
    Diffusion,
    /// The end of the path through the noisy point: a consistency model, which samples in one step or a few.
    Consistency,
    /// A diffusion model made for a fixed number of Euler steps: a student of progressive distillation.
    Progressive,
}
