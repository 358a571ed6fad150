//! Preconditioning: the four coefficients that make a denoiser of a raw network.

use serde::{Deserialize, Serialize};

/// The choice of the four coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preconditioning {
    /// The denoiser of EDM: teachers, and consistency models without a boundary shift.
    Edm,
    /// The consistency form, shifted so that f(x, σ_min) = x exactly, whatever the network says.
    Boundary,
}
