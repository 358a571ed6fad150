//! Preconditioning: the four coefficients that make a denoiser of a raw network.
//!
//! D(x, σ) = c_skip·x + c_out·F(c_in·x, c_noise). This is the only file that knows them.

use serde::{Deserialize, Serialize};

use super::formula::{Formula, Number};
use crate::noise::sigma_from_trig;

/// The choice of the four coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preconditioning {
    /// The denoiser of EDM: teachers, and consistency models without a boundary shift.
    Edm,
    /// The consistency form, shifted so that f(x, σ_min) = x exactly, whatever the network says.
    Boundary,
    /// TrigFlow: EDM's denoiser with the network's output negated, which is told the angle arctan(σ/σ_data). Identity
    /// at σ = 0.
    Trig,
    /// A consistency model in the form of [`Self::Edm`], to continue from a network that was trained in it: TrigFlow with
    /// EDM's sign and noise code. Identity at σ = 0.
    TrigEdm,
}

/// How TrigFlow's velocity v = σ_data·F is put together at one angle: v = output·F(input·x, code).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VelocityCoefficients {
    /// Scale of the network's output: σ_data, with the sign of its convention.
    pub output: f64,
    /// Scale of the network's input: 1/σ_data.
    pub input: f64,
    /// What the network is told about the angle.
    pub code: f64,
    /// Derivative of the code by the angle, times cos·sin of the angle: finite at both ends.
    pub code_slope: f64,
}

/// The coefficients at one noise level: as numbers, or as formulas of a level that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficients<N = f64> {
    /// Share of the noisy input that passes unchanged.
    pub c_skip: N,
    /// Scale of the network's output.
    pub c_out: N,
    /// Scale of the network's input: gives it unit variance.
    pub c_in: N,
    /// What the network is told about σ: ln(σ)/4, or the angle.
    pub c_noise: N,
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
    /// belongs to that network here, and the denormal keeps c_noise finite at σ = 0. TrigFlow: Lu and Song 2024
    /// (arXiv:2410.11081), section 3, in EDM's variables: c_skip = cos² t and c_out = -σ_data·sin t.
    pub fn coefficients(self, sigma: f64, sigma_min: f64, sigma_data: f64) -> Coefficients {
        self.at(sigma, sigma_min, sigma_data)
    }

    /// [`Self::coefficients`] as formulas of the level, for a graph with σ as an input.
    ///
    /// At σ = 0 they say of ln(σ) what f32 can.
    pub fn formulas(self, sigma_min: f64, sigma_data: f64) -> Coefficients<Formula> {
        self.at(Formula::Level, sigma_min, sigma_data)
    }

    fn at<N: Number>(self, sigma: N, sigma_min: f64, sigma_data: f64) -> Coefficients<N> {
        let number = N::from;
        let variance = sigma.clone().square() + number(sigma_data.square());
        let deviation = variance.clone().root();
        let c_in = number(1.0) / deviation.clone();
        let c_noise = match self {
            Self::Trig => sigma.clone().angle_of_level(sigma_data),
            Self::Edm | Self::TrigEdm | Self::Boundary => number(0.25) * sigma.clone().ln_of_level(),
        };
        let (c_skip, c_out) = match self {
            Self::Edm | Self::TrigEdm => {
                (number(sigma_data.square()) / variance, sigma * number(sigma_data) / deviation)
            }
            Self::Trig => (number(sigma_data.square()) / variance, -sigma * number(sigma_data) / deviation),
            Self::Boundary => {
                let above = sigma - number(sigma_min);
                (
                    number(sigma_data.square()) / (above.clone().square() + number(sigma_data.square())),
                    above * number(sigma_data) / deviation,
                )
            }
        };
        Coefficients { c_skip, c_out, c_in, c_noise }
    }

    /// The coefficients of TrigFlow's velocity at an angle; none for the boundary form, whose shift has no place there.
    ///
    /// # Units
    ///
    /// `angle`: arctan(σ/σ_data), above 0 and below π/2.
    ///
    /// # Source
    ///
    /// Lu and Song 2024 (arXiv:2410.11081), section 3 and appendix B. With x = cos t·clean + sin t·noise and
    /// x_EDM = x/cos t, EDM's denoiser is cos t·x + σ_data·sin t·F_EDM(x/σ_data, ln(σ)/4), so F = -F_EDM.
    pub fn velocity_coefficients(self, angle: f64, sigma_data: f64) -> Option<VelocityCoefficients> {
        let input = 1.0 / sigma_data;
        match self {
            Self::Trig => Some(VelocityCoefficients {
                output: sigma_data,
                input,
                code: angle,
                code_slope: angle.cos() * angle.sin(),
            }),
            // The derivative of ln(σ)/4 by the angle is 1/(4·cos·sin).
            Self::Edm | Self::TrigEdm => Some(VelocityCoefficients {
                output: -sigma_data,
                input,
                code: 0.25 * (sigma_from_trig(angle, sigma_data) + 1e-44).ln(),
                code_slope: 0.25,
            }),
            Self::Boundary => None,
        }
    }

    /// Whether weights trained in this form start a model in the form `other` as the same function.
    pub fn continues_as(self, other: Self) -> bool {
        (self == Self::Trig) == (other == Self::Trig)
    }
}
