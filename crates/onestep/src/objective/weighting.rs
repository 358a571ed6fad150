//! Weightings λ(σ): how much each noise level counts in the loss.

use serde::{Deserialize, Serialize};

/// λ as a function of the larger of the two levels of a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// λ = 1: every published consistency model of 2023.
    #[default]
    Uniform,
    /// λ = σ⁻², the signal-to-noise ratio.
    Snr,
    /// λ = σ⁻² + 1.
    SnrPlusOne,
    /// λ = σ⁻² + σ_data⁻²: gives EDM's denoising loss the same size at every level.
    Karras,
    /// λ = max(σ⁻², 1).
    TruncatedSnr,
}

impl Weighting {
    /// λ at `sigma`.
    ///
    /// # Source
    ///
    /// `get_weightings` in openai/consistency_models. EDM writes the Karras weighting as
    /// (σ² + σ_data²)/(σ·σ_data)², which is the same number.
    pub fn at(self, sigma: f64, sigma_data: f64) -> f64 {
        let snr = sigma.powi(-2);
        match self {
            Self::Uniform => 1.0,
            Self::Snr => snr,
            Self::SnrPlusOne => snr + 1.0,
            Self::Karras => snr + sigma_data.powi(-2),
            Self::TruncatedSnr => snr.max(1.0),
        }
    }
}
