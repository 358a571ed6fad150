//! The tasks by name, and the levels they are done at.

use serde::{Deserialize, Serialize};

use crate::model::NoiseRange;
use crate::noise::{LevelsError, SamplingLevels, karras_level};

/// What can be done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Fill in missing pixels.
    Inpaint,
    /// Color a grey image.
    Colorize,
    /// Enlarge a small image.
    SuperResolve,
    /// Turn a drawing into an image.
    Stroke,
    /// Remove noise.
    Denoise,
    /// Images between two others.
    Interpolate,
    /// Images like another.
    Vary,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Inpaint,
        Self::Colorize,
        Self::SuperResolve,
        Self::Stroke,
        Self::Denoise,
        Self::Interpolate,
        Self::Vary,
    ];

    /// As it is typed and written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inpaint => "inpaint",
            Self::Colorize => "colorize",
            Self::SuperResolve => "super-resolve",
            Self::Stroke => "stroke",
            Self::Denoise => "denoise",
            Self::Interpolate => "interpolate",
            Self::Vary => "vary",
        }
    }

    /// Network evaluations where nobody chose.
    pub fn usual_steps(self) -> usize {
        match self {
            Self::Inpaint | Self::Colorize | Self::SuperResolve => 4,
            Self::Stroke | Self::Vary => 2,
            Self::Denoise | Self::Interpolate => 1,
        }
    }

    /// `n` levels where none were searched for: evenly spaced in σ^(1/ρ) from where the task starts to where its last
    /// estimate is made, or one that suits a single evaluation.
    ///
    /// The published lists start at σ_max, where nothing of the image is left but what is put back afterwards. A start that
    /// hides only what is unknown is better, the more the fewer the evaluations: `docs/editing.md` has the figures.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if `n` is zero or the model's range does not reach so far.
    pub fn levels(self, n: usize, range: &NoiseRange, rho: f64) -> Result<SamplingLevels, LevelsError> {
        let (alone, first, last): (f64, f64, f64) = match self {
            Self::Inpaint => (2.0, 5.0, 0.2),
            Self::Colorize => (2.0, 20.0, 0.3),
            Self::SuperResolve => (1.0, 1.5, 0.15),
            // The published pair.
            Self::Stroke => (5.38, 5.38, 2.24),
            Self::Vary => (1.5, 1.5, 0.5),
            Self::Denoise | Self::Interpolate => (range.sigma_max, range.sigma_max, 0.8),
        };
        let (first, last) = match self {
            Self::Stroke | Self::Vary => (first, last),
            _ if n == 1 => (alone, last),
            // Two and three steps lie between one and four: less is hidden, and the last one still has something to mend.
            _ => {
                let depth = (n.saturating_sub(1) as f64 / 3.0).min(1.0);
                (alone * (first / alone).powf(depth), alone * (last / alone).powf(0.5 + 0.5 * depth))
            }
        };
        let (first, last) = (first.min(range.sigma_max), last.max(range.sigma_min));
        Self::between(n, first, last, rho)
    }

    /// `n` levels from `first` down to `last`, evenly spaced in σ^(1/ρ); one level is the first.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if `n` is zero or the two are out of order.
    pub fn between(n: usize, first: f64, last: f64, rho: f64) -> Result<SamplingLevels, LevelsError> {
        let level = |i: usize| match i {
            0 => first,
            i if i + 1 == n => last,
            i => karras_level(1.0 - i as f64 / (n - 1) as f64, last, first, rho),
        };
        SamplingLevels::new((0..n).map(level).collect())
    }
}
