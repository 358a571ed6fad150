//! The noise levels of a job where nobody chose them.

use super::{Job, Task};
use crate::Result;
use crate::noise::{SamplingLevels, karras_level};
use crate::sample::{Sampler, SamplingProfile};

/// Share of a noise level that the last of several steps is made at, as in the published pair for strokes.
const LAST_OF_FIRST: f64 = 2.24 / 5.38;

impl<P> Job<P> {
    /// The levels for a number of steps, or for as many as suit the task.
    ///
    /// `noise` is the deviation of the noise in a picture that is to lose it, for values in [-1, 1]; `found` are levels that
    /// somebody searched for the model and this task, taken where they are as many as asked for.
    pub(crate) fn levels(
        &self,
        profile: &SamplingProfile,
        steps: Option<usize>,
        noise: Option<f64>,
        found: Option<SamplingLevels>,
    ) -> Result<SamplingLevels> {
        let (task, range, rho) = (self.task(), &profile.range, profile.rho);
        let n = steps.unwrap_or(task.usual_steps());
        let first = match (self, noise, self.strength()?) {
            // From noise alone, as samples are drawn.
            (
                Self::InterpolateSeeds { .. } | Self::InterpolatePictures { .. } | Self::VarySeed { .. },
                ..,
            ) => {
                return Ok(profile.levels(Sampler::Multistep, steps)?);
            }
            (Self::Denoise { .. }, Some(noise), _) => noise,
            (_, _, Some(strength)) => karras_level(strength, range.sigma_min, range.sigma_max, rho),
            _ => {
                let found = found.filter(|found| steps.is_none_or(|n| n == found.as_slice().len()));
                return Ok(found.map_or_else(|| task.levels(n, range, rho), Ok)?);
            }
        };
        let first = first.clamp(range.sigma_min, range.sigma_max);
        // At the model's smallest level there is nothing below to go to.
        let n = if first * LAST_OF_FIRST < range.sigma_min { 1 } else { n };
        Ok(Task::between(n, first, first * LAST_OF_FIRST, rho)?)
    }
}
