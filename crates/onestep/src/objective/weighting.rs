//! Weightings λ(σ): how much each noise level counts in the loss.

use serde::{Deserialize, Serialize};

/// λ as a function of the levels of a pair.
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
    /// λ = 1/(σ_high - σ_low), one over the distance of the pair: iCT and ECT.
    InverseGap,
}

impl Weighting {
    /// λ of a single level: that of its pair with the clean image.
    pub fn at(self, sigma: f64, sigma_data: f64) -> f64 {
        self.at_pair(0.0, sigma, sigma_data)
    }

    /// λ of a pair of levels; all but [`Weighting::InverseGap`] look at the higher one alone.
    ///
    /// # Source
    ///
    /// `get_weightings` in openai/consistency_models. EDM writes the Karras weighting as
    /// (σ² + σ_data²)/(σ·σ_data)², which is the same number. Inverse gap: improved consistency training
    /// (arXiv:2310.14189), section 3.2, and easy consistency tuning (arXiv:2406.14548), section 3.3.
    pub fn at_pair(self, low: f64, sigma: f64, sigma_data: f64) -> f64 {
        let snr = sigma.powi(-2);
        match self {
            Self::Uniform => 1.0,
            Self::Snr => snr,
            Self::SnrPlusOne => snr + 1.0,
            Self::Karras => snr + sigma_data.powi(-2),
            Self::TruncatedSnr => snr.max(1.0),
            Self::InverseGap => 1.0 / (sigma - low),
        }
    }
}
