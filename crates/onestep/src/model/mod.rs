//! Models: a network, its weights, and the preconditioning that makes a denoiser of them.

mod condition;
mod error;
pub mod network;
mod precondition;
mod weights;

pub use condition::{Condition, DropoutKey};
pub(crate) use condition::check_batch;
pub use error::ModelError;
pub use network::{Architecture, Network};
pub use precondition::Preconditioning;
pub use weights::{Builder, Init, ParameterId, ParameterSpec, Weights, n_parameters};
