//! Proposals: which noise levels, or which pairs of neighbors on the grid, a training batch looks at.

use serde::{Deserialize, Serialize};

use super::{Stream, TrainingLevels};

/// A log-normal distribution over σ: ln σ is normal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormal {
    /// Mean of ln σ: -1.2 for EDM, -1.1 for iCT and ECT.
    pub p_mean: f64,
    /// Deviation of ln σ: 1.2 for EDM, 2.0 for iCT and ECT.
    pub p_std: f64,
}

impl LogNormal {
    /// One level, from one pair of normals of `stream`.
    pub fn draw(&self, stream: &mut Stream) -> f64 {
        self.level(stream.normal_pair()[0])
    }

    /// The level that belongs to the unit normal `z`: exp(p_mean + p_std·z).
    pub fn level(&self, z: f64) -> f64 {
        (self.p_mean + self.p_std * z).exp()
    }

    /// Probability of each interval between neighboring levels, ascending, summing to one.
    ///
    /// # Source
    ///
    /// Improved consistency training (arXiv:2310.14189), eq. 10: proportional to the log-normal mass of the
    /// interval.
    pub fn interval_probabilities(&self, levels: &TrainingLevels) -> Vec<f64> {
        let position = |level: f64| (level.ln() - self.p_mean) / (std::f64::consts::SQRT_2 * self.p_std);
        let mass: Vec<f64> = levels
            .as_slice()
            .windows(2)
            .map(|pair| erf_difference(position(pair[0]), position(pair[1])))
            .collect();
        let total: f64 = mass.iter().sum();
        mass.into_iter().map(|mass| mass / total).collect()
    }
}

/// Which interval of the grid a sample is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Proposal {
    /// Every interval alike: Song et al. 2023.
    Uniform,
    /// Intervals by their log-normal mass: improved consistency training.
    LogNormal {
        /// Mean of ln σ; -1.1 where none is given.
        #[serde(default = "published::p_mean")]
        p_mean: f64,
        /// Deviation of ln σ; 2 where none is given.
        #[serde(default = "published::p_std")]
        p_std: f64,
    },
}

/// The numbers of improved consistency training.
mod published {
    pub fn p_mean() -> f64 {
        -1.1
    }
    pub fn p_std() -> f64 {
        2.0
    }
}

impl Proposal {
    /// Draws the number of an interval for each stream: 0 lies between the two smallest levels.
    pub fn draw(&self, levels: &TrainingLevels, streams: impl Iterator<Item = Stream>) -> Vec<usize> {
        match *self {
            Self::Uniform => {
                streams.map(|mut stream| stream.below(levels.n_intervals() as u64) as usize).collect()
            }
            Self::LogNormal { p_mean, p_std } => {
                let mut total = 0.0;
                let cumulative: Vec<f64> = LogNormal { p_mean, p_std }
                    .interval_probabilities(levels)
                    .into_iter()
                    .map(|probability| {
                        total += probability;
                        total
                    })
                    .collect();
                let last = levels.n_intervals() - 1;
                streams
                    .map(|mut stream| {
                        let place = stream.uniform();
                        cumulative.partition_point(|&sum| sum <= place).min(last)
                    })
                    .collect()
            }
        }
    }
}

/// erf(b) - erf(a) without cancellation in the tails, where both are close to ±1.
fn erf_difference(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        libm::erfc(a) - libm::erfc(b)
    } else if b < 0.0 {
        libm::erfc(-b) - libm::erfc(-a)
    } else {
        libm::erf(b) - libm::erf(a)
    }
}
