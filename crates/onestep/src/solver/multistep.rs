//! DPM-Solver++ in its multistep form: one evaluation a step, and what earlier steps saw.

use std::collections::VecDeque;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Step;
use crate::model::{Condition, Denoiser, ModelError};

/// How many evaluations, the newest one included, a step of [`DpmPlusPlus`] looks at, and what it makes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The newest alone: the same as Euler's method.
    First,
    /// The newest two: "2M".
    Second,
    /// The newest three, by the parabola through them.
    #[default]
    Third,
    /// The newest three as the code of the solver's authors has them ("3M"): the parabola's bend counts half, so that errors
    /// fall with the second power of the step only. For paths that have to be the published ones.
    PublishedThird,
}

impl Order {
    /// Evaluations that a step looks at.
    fn n_evaluations(self) -> usize {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third | Self::PublishedThird => 3,
        }
    }
}

/// The most evaluations of the past that any order looks at.
const MOST_PAST: usize = 2;

/// The multistep form of DPM-Solver++: a polynomial through the last estimates of the clean image, taken as a function of
/// λ = -ln σ, of which the rest of the step is an integral in closed form.
///
/// One path after another needs a solver each, or one that is [cleared](Self::clear) in between.
///
/// # Source
///
/// Lu et al. 2022 (arXiv:2211.01095), algorithm 2 and appendix B, with α = 1 for the variance-exploding ODE (λ = -ln σ), and
/// h = ln(σ/σ'). The second order is in its midpoint form, -½(e⁻ʰ - 1)·D₁. The third is the exact integral of the parabola through
/// the three evaluations; `multistep_dpm_solver_third_update` of the authors' code, and diffusers and k-diffusion after it, has
/// half of the last term, -φ₃·D₂ with D₂ a divided difference, which is half a second derivative: that is
/// [`Order::PublishedThird`]. Levels may be spaced as one likes: differences are divided by the distances that there are.
#[derive(Debug, Clone, Default)]
pub struct DpmPlusPlus {
    order: Order,
    /// Earlier evaluations, newest first: their level and the estimate.
    past: VecDeque<(f64, Tensor<4>)>,
}

impl DpmPlusPlus {
    /// A solver at the beginning of a path.
    pub fn new(order: Order) -> Self {
        Self { order, past: VecDeque::new() }
    }

    /// Forgets the path so far.
    pub fn clear(&mut self) {
        self.past.clear();
    }

    /// Moves `noisy` from the level `from` to the lower level `to`, which may be 0.
    ///
    /// `remaining` counts the steps of the path from this one on: the last step has order 1, the one before it 2 at most, as
    /// the first two have for want of a past (both as published). A step to 0 ends at its estimate.
    ///
    /// # Shapes
    ///
    /// `noisy` and the result: `[batch, height, width, channels]`, the whole batch at one level.
    ///
    /// # Errors
    ///
    /// Whatever `denoiser` returns; nothing is added.
    pub fn step(
        &mut self,
        denoiser: &dyn Denoiser,
        noisy: Tensor<4>,
        [from, to]: [f64; 2],
        remaining: usize,
        condition: &Condition,
    ) -> Result<Step, ModelError> {
        let batch = noisy.dims()[0];
        let estimate = denoiser.denoise(noisy.clone(), &vec![from; batch], condition)?;
        let state =
            if to > 0.0 { self.moved(noisy, &estimate, [from, to], remaining) } else { estimate.clone() };
        self.past.push_front((from, estimate.clone()));
        self.past.truncate(MOST_PAST);
        Ok(Step { state, estimate })
    }

    /// Where the polynomial through `newest` and the past leads to.
    fn moved(
        &self,
        noisy: Tensor<4>,
        newest: &Tensor<4>,
        [from, to]: [f64; 2],
        remaining: usize,
    ) -> Tensor<4> {
        let length = (from / to).ln();
        let phi_1 = (-length).exp_m1();
        let phi_2 = phi_1 / length + 1.0;
        let phi_3 = phi_2 / length - 0.5;
        let euler = noisy * (to / from) - newest.clone() * phi_1;
        let usable = self.order.n_evaluations().min(remaining) - 1;
        let mut past = self.past.iter().take(usable);
        let Some((level, before)) = past.next() else { return euler };
        let ratio = (level / from).ln() / length;
        let slope = (newest.clone() - before.clone()) / ratio;
        let Some((earlier, at_earlier)) = past.next() else { return euler - slope * (0.5 * phi_1) };
        let earlier_ratio = (earlier / level).ln() / length;
        let earlier_slope = (before.clone() - at_earlier.clone()) / earlier_ratio;
        let bend = (slope.clone() - earlier_slope) / (ratio + earlier_ratio);
        let share = if self.order == Order::PublishedThird { 1.0 } else { 2.0 };
        euler + (slope + bend.clone() * ratio) * phi_2 - bend * (share * phi_3)
    }
}

/// The states of a path from `start` at the first of `levels`, one for each level.
///
/// # Shapes
///
/// `start` and each state: `[batch, height, width, channels]`.
///
/// # Errors
///
/// Whatever `denoiser` returns; nothing is added.
///
/// # Source
///
/// As [`DpmPlusPlus`]; the paths of consistency mid-training (arXiv:2509.24526) are these, of [`Order::PublishedThird`].
pub fn path(
    denoiser: &dyn Denoiser,
    start: Tensor<4>,
    levels: &[f64],
    order: Order,
    condition: &Condition,
) -> Result<Vec<Tensor<4>>, ModelError> {
    let mut solver = DpmPlusPlus::new(order);
    let mut states = vec![start];
    for (index, pair) in levels.windows(2).enumerate() {
        let (remaining, state) = (levels.len() - 1 - index, states[index].clone());
        states.push(solver.step(denoiser, state, [pair[0], pair[1]], remaining, condition)?.state);
    }
    Ok(states)
}
