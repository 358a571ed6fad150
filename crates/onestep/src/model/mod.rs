//! Models: a network, its weights, and the preconditioning that makes a denoiser of them.
//!
//! 1. A [`Network`] is a structure, [`Weights`] are its numbers.
//! 2. [`Preconditioning`] gives the four coefficients around it.
//! 3. [`Preconditioned`] is the three together: a [`Denoiser`].
//! 4. [`TrigFlow`] is the same model seen on TrigFlow's clock, with its exact derivative along a path.
//! 5. [`Guided`] is a model by classifier-free guidance.
//! 6. [`GaussianMixture`] is a denoiser that needs no network at all.

mod closed_form;
mod condition;
mod denoiser;
mod error;
mod formula;
mod guidance;
mod kind;
pub mod network;
mod parameter;
mod precision;
mod precondition;
mod preconditioned;
mod trigflow;
mod weights;

pub use closed_form::{Component, GaussianMixture};
pub(crate) use condition::check_batch;
pub use condition::{Condition, DropoutKey};
pub use denoiser::{Denoiser, per_sample};
pub use error::ModelError;
pub use formula::Formula;
pub use guidance::{AtScale, GuidanceRange, Guided};
pub use kind::ModelKind;
pub use network::{Architecture, Network};
pub(crate) use onestep_kernels::read;
pub use onestep_kernels::{DeviceChoice, DeviceError, DeviceFailure, Platform, Precision, device_name};
pub use parameter::{Builder, Init, ParameterId, ParameterSpec, n_parameters};
pub(crate) use precision::PrecisionName;
pub use precision::{PrecisionChoice, ReplacedPrecision};
pub use precondition::{
    Answer, Between, Coefficients, Discrete, Preconditioning, VariancePreserving, VelocityCoefficients,
};
pub use preconditioned::{Level, NoiseRange, Preconditioned};
pub use trigflow::{TrigFlow, Velocity};
pub use weights::Weights;
