//! Curricula: how many noise levels a consistency model is trained on, and how fast its target follows.
//!
//! Both are pure functions of the training step, so that every rank and every resumed run agrees.

use serde::{Deserialize, Serialize};

/// The number of noise levels N as a function of the training step k of K.
///
/// Papers count either levels or the intervals between them; here `n_levels` always counts levels and
/// `…_intervals` always counts intervals: N levels bound N - 1 intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Curriculum {
    /// The same number of levels all along: distillation (18 on CIFAR-10, 40 on ImageNet).
    Fixed {
        /// Number of levels N; 18 where none is given.
        #[serde(default = "published::n_levels")]
        n_levels: usize,
    },
    /// The square-root growth of consistency training: n(k) = max(1, ⌈√(k/K·((s1+1)² - s0²) + s0²) - 1⌉)
    /// intervals.
    Progressive {
        /// s0, the published start_scales; 2 where none is given.
        #[serde(default = "published::progressive_start")]
        start_intervals: usize,
        /// s1, the published end_scales; 150 where none is given.
        #[serde(default = "published::progressive_end")]
        end_intervals: usize,
    },
    /// Improved consistency training: intervals double at equal distances, min(s0·2^⌊k/K'⌋, s1).
    Doubling {
        /// s0: intervals at the start; 10 where none is given.
        #[serde(default = "published::doubling_start")]
        start_intervals: usize,
        /// s1: intervals at most; 1280 where none is given.
        #[serde(default = "published::doubling_end")]
        end_intervals: usize,
    },
    /// Progressive distillation: intervals halve every `steps_per_stage` steps down to 2; the stages of 2
    /// and of 1 last twice as long.
    Halving {
        /// Intervals of the first stage.
        start_intervals: usize,
        /// Training steps of a stage.
        steps_per_stage: u64,
    },
}

/// The numbers of the published runs on CIFAR-10.
mod published {
    pub fn n_levels() -> usize {
        18
    }
    pub fn progressive_start() -> usize {
        2
    }
    pub fn progressive_end() -> usize {
        150
    }
    pub fn doubling_start() -> usize {
        10
    }
    pub fn doubling_end() -> usize {
        1280
    }
    pub fn initial_rate() -> f64 {
        0.9
    }
}

impl Curriculum {
    /// Number of intervals at step `step` of `total_steps`; steps beyond the end count as the end.
    ///
    /// # Source
    ///
    /// `create_ema_and_scales_fn` in openai/consistency_models and its twin in the CIFAR-10 code, which keep
    /// growing N after the last step because their loop never ends; here `step` is clamped to `total_steps`.
    /// Doubling: Song and Dhariwal 2023 (arXiv:2310.14189), section 3.4.
    pub fn n_intervals(&self, step: u64, total_steps: u64) -> usize {
        let total_steps = total_steps.max(1);
        let step = step.min(total_steps);
        match *self {
            Self::Fixed { n_levels } => n_levels.max(2) - 1,
            Self::Progressive { start_intervals, end_intervals } => {
                let (start, end) = (start_intervals as f64, end_intervals as f64);
                let progress = step as f64 / total_steps as f64;
                let root = (progress * ((end + 1.0).powi(2) - start.powi(2)) + start.powi(2)).sqrt();
                ((root - 1.0).ceil() as usize).max(1)
            }
            Self::Doubling { start_intervals, end_intervals } => {
                let start = start_intervals.max(1);
                let doublings = ((end_intervals / start).max(1) as f64).log2();
                let steps_per_stage = ((total_steps as f64 / (doublings + 1.0)) as u64).max(1);
                let stage = (step / steps_per_stage).min(62) as u32;
                start.saturating_mul(1usize << stage).min(end_intervals)
            }
            Self::Halving { start_intervals, steps_per_stage } => {
                HalvingStage::at(start_intervals, steps_per_stage, step).n_intervals
            }
        }
    }

    /// Number of levels N = intervals + 1.
    pub fn n_levels(&self, step: u64, total_steps: u64) -> usize {
        self.n_intervals(step, total_steps) + 1
    }
}

/// One stage of progressive distillation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalvingStage {
    /// Its number, from 0.
    pub number: u64,
    /// The training step it begins with.
    pub first_step: u64,
    /// Training steps it lasts.
    pub n_steps: u64,
    /// Steps in which its student samples: intervals of the grid.
    pub n_intervals: usize,
}

impl HalvingStage {
    /// The stage of a training step under [`Curriculum::Halving`]; the last one lasts for ever.
    ///
    /// # Source
    ///
    /// The progdist mode of `create_ema_and_scales_fn` in openai/consistency_models.
    pub fn at(start_intervals: usize, steps_per_stage: u64, step: u64) -> Self {
        let length = steps_per_stage.max(1);
        // The first stage whose halved count would be 2 or less; it and the one after it last twice as long.
        let of_two = (0..64u64).find(|&number| start_intervals >> number <= 2).unwrap_or(64);
        let long =
            |number, first_step, n_intervals| Self { number, first_step, n_steps: 2 * length, n_intervals };
        match step / length {
            number if number < of_two => Self {
                number,
                first_step: number * length,
                n_steps: length,
                n_intervals: start_intervals >> number,
            },
            number if number < of_two + 2 => long(of_two, of_two * length, 2),
            _ => long(of_two + 1, (of_two + 2) * length, 1),
        }
    }

    /// Training steps of all stages together.
    pub fn total(start_intervals: usize, steps_per_stage: u64) -> u64 {
        let last = Self::at(start_intervals, steps_per_stage, u64::MAX);
        last.first_step + last.n_steps
    }
}

/// How the target network follows the student: target ← μ·target + (1 - μ)·student.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TargetRate {
    /// The same μ all along. 0 makes the target the student itself, with gradients stopped.
    Fixed {
        /// μ; 0 where none is given.
        #[serde(default)]
        rate: f64,
    },
    /// μ(k) = exp(s0·ln μ0 / n(k)): close to 1 as the intervals get many.
    Adaptive {
        /// μ0, the published start_ema; 0.9 where none is given.
        #[serde(default = "published::initial_rate")]
        initial_rate: f64,
        /// Which n(k) divides.
        #[serde(default)]
        exponent: AdaptiveExponent,
    },
}

/// What divides the exponent of the adaptive rate: the released code and the paper disagree by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdaptiveExponent {
    /// The number of intervals N(k) - 1, as both released codes do: μ(0) = μ0² for s0 = 2.
    #[default]
    ReleasedCode,
    /// The number of levels N(k), as Song et al. 2023, appendix C print it: μ(0) = μ0 for s0 = 2.
    Paper,
}

impl TargetRate {
    /// μ at a step of `curriculum`; `start_intervals` of the curriculum is the published s0.
    pub fn rate(&self, curriculum: &Curriculum, step: u64, total_steps: u64) -> f64 {
        match *self {
            Self::Fixed { rate } => rate,
            Self::Adaptive { initial_rate, exponent } => {
                let start = match *curriculum {
                    Curriculum::Fixed { n_levels } => n_levels,
                    Curriculum::Progressive { start_intervals, .. }
                    | Curriculum::Doubling { start_intervals, .. }
                    | Curriculum::Halving { start_intervals, .. } => start_intervals,
                };
                let n_intervals = curriculum.n_intervals(step, total_steps);
                let divisor = match exponent {
                    AdaptiveExponent::ReleasedCode => n_intervals,
                    AdaptiveExponent::Paper => n_intervals + 1,
                };
                (start as f64 * initial_rate.ln() / divisor as f64).exp()
            }
        }
    }

    /// Whether the target is always the student itself.
    pub fn is_student(&self) -> bool {
        matches!(self, Self::Fixed { rate } if *rate == 0.0)
    }
}
