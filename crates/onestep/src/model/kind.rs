//! What kind of model it is: the one thing that decides how images are drawn from it.

use serde::{Deserialize, Serialize};

/// What a model's estimate is, and so how it is sampled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// The mean of all images that could lie behind the noise: a diffusion model, whose ODE is followed step by step.
    Diffusion,
    /// The end of the path through the noisy image: a consistency model, which jumps.
    Consistency,
    /// A diffusion model whose ODE is followed in exactly the steps that it was made for: progressive distillation.
    Progressive,
}

impl ModelKind {
    /// Whether the model has an ODE to follow, rather than jumping to its end.
    pub fn has_ode(self) -> bool {
        self != Self::Consistency
    }
}
