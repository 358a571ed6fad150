//! Preconditioning: the four coefficients that make a denoiser of a raw network.
//!
//! D(x, σ) = c_skip·x + c_out·F(c_in·x, c_noise). This is the only file that knows them.

use serde::{Deserialize, Serialize};

use super::formula::{Formula, Number};
use crate::noise::{DiscreteSchedule, sigma_from_trig};

/// The choice of the four coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// A network of DDPM: it is told the number of a step, and answers with the noise, the velocity or the clean image. Imported
    /// diffusion models have it.
    Discrete(Discrete),
    /// A network of score matching in continuous time that keeps the variance (VP, DDPM++ of Song et al.): it is told the time in
    /// steps, and answers with the noise. Imported diffusion models have it.
    VariancePreserving(VariancePreserving),
    /// A network of score matching whose noise explodes (VE, NCSN++ of Song et al.): it is told ln(σ/2), and answers with the noise,
    /// negated. Imported diffusion models have it.
    VarianceExploding,
}

/// What makes a denoiser of a network that was trained on discrete steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discrete {
    /// What the network answers with.
    pub answer: Answer,
    /// The steps that it was trained on.
    pub schedule: DiscreteSchedule,
    /// What it is told between two steps.
    #[serde(default)]
    pub between: Between,
}

/// What a network answers with, when it is given a noisy image scaled to the variance of DDPM: √ᾱ·clean + √(1-ᾱ)·noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The noise, of unit variance.
    Noise,
    /// √ᾱ·noise - √(1-ᾱ)·clean (Salimans and Ho 2022, arXiv:2202.00512).
    Velocity,
    /// The clean image.
    Clean,
}

/// What a network that was trained on steps is told about a noise level between the levels of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// The time in between, by the logarithm of the level. The denoiser is then a smooth function of σ, without the jumps that would
    /// spoil a second-order step, and at the levels of the steps there is no difference. As `EulerDiscreteScheduler` of diffusers.
    #[default]
    Interpolated,
    /// The nearest step, as `iDDPMPrecond` of NVlabs/edm.
    Nearest,
}

/// The noise of Song et al. 2021 (arXiv:2011.13456) that keeps the variance: β(t) = beta_min + beta_d·t for t from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariancePreserving {
    /// By how much β grows: 19.9 as published.
    pub beta_d: f64,
    /// Where β begins: 0.1 as published.
    pub beta_min: f64,
    /// The network is told t·(steps - 1): 1000 as published.
    pub steps: u32,
}

impl VariancePreserving {
    /// The noise level of a time from 0 to 1.
    pub fn sigma(&self, time: f64) -> f64 {
        (0.5 * self.beta_d * time.powi(2) + self.beta_min * time).exp_m1().sqrt()
    }

    /// The time of a noise level.
    pub fn time(&self, sigma: f64) -> f64 {
        let grown = 2.0 * self.beta_d * sigma.powi(2).ln_1p();
        // (√(b² + g) - b)/d without the difference of two close numbers.
        grown / ((self.beta_min.powi(2) + grown).sqrt() + self.beta_min) / self.beta_d
    }
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
    /// Scale of the network's input: gives it unit variance, but for networks of exploding noise.
    pub c_in: N,
    /// What the network is told about σ: ln(σ)/4, the angle, or the step.
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
    /// (arXiv:2410.11081), section 3, in EDM's variables: c_skip = cos² t and c_out = -σ_data·sin t. Networks of discrete steps, VP and
    /// VE: EDM's table 1 and appendix C, as `iDDPMPrecond`, `VPPrecond` and `VEPrecond` of NVlabs/edm; the velocity by Salimans and Ho
    /// 2022 (arXiv:2202.00512), appendix D, in EDM's variables. They assume nothing of the data: `sigma_data` is not asked.
    pub fn coefficients(self, sigma: f64, sigma_min: f64, sigma_data: f64) -> Coefficients {
        self.at(sigma, sigma_min, sigma_data).expect("numbers know every one of them")
    }

    /// [`Self::coefficients`] as formulas of the level, for a graph with σ as an input; none for forms that are told the time of a
    /// schedule, which no formula here says.
    ///
    /// At σ = 0 they say of ln(σ) what f32 can.
    pub fn formulas(self, sigma_min: f64, sigma_data: f64) -> Option<Coefficients<Formula>> {
        self.at(Formula::Level, sigma_min, sigma_data)
    }

    fn at<N: Number>(self, sigma: N, sigma_min: f64, sigma_data: f64) -> Option<Coefficients<N>> {
        let number = N::from;
        let variance = sigma.clone().square() + number(sigma_data.square());
        let deviation = variance.clone().root();
        // √ᾱ of DDPM: what takes a sample to its scale.
        let preserving = number(1.0) / (sigma.clone().square() + number(1.0)).root();
        let c_in = match self {
            Self::Edm | Self::TrigEdm | Self::Boundary | Self::Trig => number(1.0) / deviation.clone(),
            Self::Discrete(_) | Self::VariancePreserving(_) => preserving.clone(),
            Self::VarianceExploding => number(1.0),
        };
        let c_noise = match self {
            Self::Trig => sigma.clone().angle_of_level(sigma_data),
            Self::Edm | Self::TrigEdm | Self::Boundary => number(0.25) * sigma.clone().ln_of_level(),
            Self::Discrete(Discrete { schedule, between, .. }) => {
                sigma.clone().time(|sigma| match between {
                    Between::Interpolated => schedule.time(sigma),
                    Between::Nearest => schedule.nearest(sigma) as f64,
                })?
            }
            Self::VariancePreserving(noise) => {
                sigma.clone().time(|sigma| f64::from(noise.steps.saturating_sub(1)) * noise.time(sigma))?
            }
            Self::VarianceExploding => (number(0.5) * sigma.clone()).ln_of_level(),
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
            Self::Discrete(Discrete { answer, .. }) => match answer {
                Answer::Noise => (number(1.0), -sigma),
                Answer::Velocity => (preserving.clone().square(), -sigma * preserving),
                Answer::Clean => (number(0.0), number(1.0)),
            },
            Self::VariancePreserving(_) => (number(1.0), -sigma),
            Self::VarianceExploding => (number(1.0), sigma),
        };
        Some(Coefficients { c_skip, c_out, c_in, c_noise })
    }

    /// The coefficients of TrigFlow's velocity at an angle; none for the boundary form, whose shift has no place there, and none for
    /// networks that answer with something else.
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
            Self::Boundary | Self::Discrete(_) | Self::VariancePreserving(_) | Self::VarianceExploding => {
                None
            }
        }
    }

    /// Whether the network is told ln(σ)/4, as those that are trained here are, unless they are told the angle.
    pub fn tells_quarter_logarithm(self) -> bool {
        matches!(self, Self::Edm | Self::TrigEdm | Self::Boundary)
    }

    /// Whether weights trained in this form start a model in the form `other` as the same function.
    pub fn continues_as(self, other: Self) -> bool {
        self == other || (self.tells_quarter_logarithm() && other.tells_quarter_logarithm())
    }
}
