//! What cannot be exported.

use crate::model::ModelKind;

/// A model that does not become an ONNX file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// A denoiser that is not a network with weights.
    #[error("this model is no network with weights, and only those can be exported to ONNX")]
    NoNetwork,
    /// A model that is not drawn from in one step.
    #[error(
        "this is a {} model, which draws in many steps; only consistency models have the form `one-step`: export the form `denoiser`",
        match kind {
            ModelKind::Progressive => "progressively distilled",
            ModelKind::Diffusion | ModelKind::Consistency => "diffusion",
        }
    )]
    ManySteps {
        /// What kind of model it is.
        kind: ModelKind,
    },
}
