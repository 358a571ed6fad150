//! Noise in discrete steps: the betas of DDPM, and the noise levels that they come to.

use serde::{Deserialize, Serialize};

/// How the betas of a schedule, the shares of the variance that each step replaces by noise, run over its steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Betas {
    /// Evenly from the first to the last: DDPM, from 1e-4 to 0.02.
    Linear {
        /// The first.
        start: f64,
        /// The last.
        end: f64,
    },
    /// The square roots evenly from that of the first to that of the last: latent diffusion.
    ScaledLinear {
        /// The first.
        start: f64,
        /// The last.
        end: f64,
    },
    /// What is left of the signal falls as cos²((t + 0.008)/1.008·π/2), and no beta is above 0.999: improved DDPM.
    Cosine,
}

/// The share of the variance that a step replaces at most where the signal falls as a cosine.
const MAX_COSINE_BETA: f64 = 0.999;

/// By how much the cosine is shifted, so that the first step is not too small.
const COSINE_SHIFT: f64 = 0.008;

/// More steps than any schedule has.
const MAX_STEPS: usize = 100_000;

/// A schedule of so many steps t = 0, 1, …, each noisier than the one before.
///
/// On the scale of the data, a sample of step t is clean + σ(t)·noise with σ² = (1 - ᾱ)/ᾱ, where ᾱ, what is left of the signal's
/// variance, is the product of 1 - β up to t. DDPM's own samples are those times √ᾱ = 1/√(σ² + 1).
///
/// # Source
///
/// Ho et al. 2020 (arXiv:2006.11239); Nichol and Dhariwal 2021 (arXiv:2102.09672), eq. 17; the change of variables: Karras et al. 2022
/// (arXiv:2206.00364), appendix C.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct DiscreteSchedule {
    betas: Betas,
    steps: usize,
}

/// A schedule as files have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    betas: Betas,
    steps: usize,
}

impl TryFrom<Unchecked> for DiscreteSchedule {
    type Error = String;

    fn try_from(Unchecked { betas, steps }: Unchecked) -> Result<Self, String> {
        Self::new(betas, steps).ok_or_else(|| {
            format!("a schedule has 2 to {MAX_STEPS} steps and betas above 0 and below 1, not {steps} of {betas:?}")
        })
    }
}

impl DiscreteSchedule {
    /// A schedule of 2 to 100,000 steps; none for other numbers, and none where a beta is not above 0 and below 1.
    pub fn new(betas: Betas, steps: usize) -> Option<Self> {
        let inside = |beta: f64| beta > 0.0 && beta < 1.0;
        let sound = match betas {
            Betas::Linear { start, end } | Betas::ScaledLinear { start, end } => inside(start) && inside(end),
            Betas::Cosine => true,
        };
        (sound && (2..=MAX_STEPS).contains(&steps)).then_some(Self { betas, steps })
    }

    /// How its betas run.
    pub fn betas(&self) -> Betas {
        self.betas
    }

    /// Number of its steps.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The beta of a step.
    pub fn beta(&self, step: usize) -> f64 {
        let place = step as f64 / (self.steps - 1) as f64;
        let between = |start: f64, end: f64| start + place * (end - start);
        match self.betas {
            Betas::Linear { start, end } => between(start, end),
            Betas::ScaledLinear { start, end } => between(start.sqrt(), end.sqrt()).powi(2),
            Betas::Cosine => {
                let left = |step: usize| {
                    let time = step as f64 / self.steps as f64;
                    let angle = (time + COSINE_SHIFT) / (1.0 + COSINE_SHIFT) * std::f64::consts::FRAC_PI_2;
                    angle.cos().powi(2)
                };
                (1.0 - left(step + 1) / left(step)).min(MAX_COSINE_BETA)
            }
        }
    }

    /// The noise levels of all steps, ascending.
    pub fn sigmas(&self) -> impl Iterator<Item = f64> + use<> {
        let schedule = *self;
        // (1 - ᾱ)/ᾱ by itself: 1 - ᾱ of a small beta would lose digits.
        let mut variance = 0.0;
        (0..schedule.steps).map(move |step| {
            let beta = schedule.beta(step);
            variance = (variance + beta) / (1.0 - beta);
            f64::sqrt(variance)
        })
    }

    /// The smallest and the largest noise level.
    pub fn range(&self) -> [f64; 2] {
        let mut sigmas = self.sigmas();
        let first = sigmas.next().unwrap_or(0.0);
        [first, sigmas.last().unwrap_or(first)]
    }

    /// The time of a noise level: at the level of a step that step, between two the place in between by the logarithm of the level,
    /// beyond the ends the end.
    pub fn time(&self, sigma: f64) -> f64 {
        let (below, before, after) = self.around(sigma);
        match (before, after) {
            (Some(before), Some(after)) => below as f64 + (sigma / before).ln() / (after / before).ln(),
            _ => below as f64,
        }
    }

    /// The step whose noise level is nearest.
    pub fn nearest(&self, sigma: f64) -> usize {
        match self.around(sigma) {
            (below, Some(before), Some(after)) if after - sigma < sigma - before => below + 1,
            (below, ..) => below,
        }
    }

    /// The last step whose level is not above `sigma`, or the first of all; its level where it is not above, and the next one's where
    /// there is one.
    fn around(&self, sigma: f64) -> (usize, Option<f64>, Option<f64>) {
        let mut before = None;
        for (step, level) in self.sigmas().enumerate() {
            if level > sigma {
                return (step.saturating_sub(1), before, Some(level));
            }
            before = Some(level);
        }
        (self.steps - 1, before, None)
    }
}
