//! Preconditioning: the four coefficients that make a denoiser of a raw network.
//!
//! D(x, σ) = c_skip·x + c_out·F(c_in·x, c_noise). This is the only file that knows them.

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

/// The coefficients at one noise level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficients {
    /// Share of the noisy input that passes unchanged.
    pub c_skip: f64,
    /// Scale of the network's output.
    pub c_out: f64,
    /// Scale of the network's input: gives it unit variance.
    pub c_in: f64,
    /// What the network is told about σ: ln(σ)/4.
    pub c_noise: f64,
}

impl Preconditioning {
    /// The coefficients at `sigma`.
    ///
    /// # Units
    ///
    /// `sigma`, `sigma_min` and `sigma_data` are standard deviations in the units of the data.
    ///
    /// # Source
    ///
    /// EDM: Karras et al. 2022 (arXiv:2206.00364), table 1. Boundary: Song et al. 2023 (arXiv:2303.01469),
    /// appendix C. OpenAI's code feeds its network 1000·c_noise with a denormal added to σ; the factor
    /// belongs to that network here, and the denormal keeps c_noise finite at σ = 0.
    pub fn coefficients(self, sigma: f64, sigma_min: f64, sigma_data: f64) -> Coefficients {
        let variance = sigma.powi(2) + sigma_data.powi(2);
        let c_in = 1.0 / variance.sqrt();
        let c_noise = 0.25 * (sigma + 1e-44).ln();
        let (c_skip, c_out) = match self {
            Self::Edm => (sigma_data.powi(2) / variance, sigma * sigma_data / variance.sqrt()),
            Self::Boundary => {
                let above = sigma - sigma_min;
                (
                    sigma_data.powi(2) / (above.powi(2) + sigma_data.powi(2)),
                    above * sigma_data / variance.sqrt(),
                )
            }
        };
        Coefficients { c_skip, c_out, c_in, c_noise }
    }
}
