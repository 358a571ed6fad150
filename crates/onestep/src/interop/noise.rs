//! What a network of another program was trained to answer, and the noise that it was made for.

use crate::model::{ModelKind, NoiseRange, Preconditioning};

/// How a network's answer is put together, and the noise that it was made for: what a scheduler, the arguments of a class or somebody
/// says of a model.
#[derive(Debug, Clone)]
pub(super) struct Noise {
    pub preconditioning: Preconditioning,
    pub kind: ModelKind,
    pub range: NoiseRange,
    /// Exponent of the spacing of its levels.
    pub rho: f64,
    pub method: &'static str,
}

/// The exponent of all published models.
pub(super) const RHO: f64 = 7.0;
