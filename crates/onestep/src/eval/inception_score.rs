//! The Inception Score: how sure a classifier is of each image, and how many classes there are in all.

use super::EvalError;
use super::fixed_point::{fixed, float};
use super::permutation::Permutations;

/// The seed of the shuffle, torch-fidelity's default.
const SHUFFLE_SEED: u32 = 2020;

/// How samples are cut into the splits whose scores are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Splits {
    /// So many splits of nearly equal size, after the shuffle that torch-fidelity's default seed gives.
    Shuffled(usize),
    /// So many splits of nearly equal size, in order.
    InOrder(usize),
    /// Splits of so many samples, in order; the last may be smaller.
    OfSize(usize),
}

impl Splits {
    /// The split of each of `n` samples.
    pub fn of(self, n: usize) -> Vec<usize> {
        let cut = |n_splits: usize| {
            let n_splits = n_splits.clamp(1, n.max(1));
            (0..n_splits).flat_map(move |split| {
                std::iter::repeat_n(split, (split + 1) * n / n_splits - split * n / n_splits)
            })
        };
        match self {
            Self::OfSize(size) => (0..n).map(|index| index / size.max(1)).collect(),
            Self::InOrder(n_splits) => cut(n_splits).collect(),
            Self::Shuffled(n_splits) => {
                let mut splits = vec![0; n];
                let order = Permutations::new(SHUFFLE_SEED).next(n);
                order.into_iter().zip(cut(n_splits)).for_each(|(index, split)| splits[index] = split);
                splits
            }
        }
    }
}

/// The sums an Inception Score is made of, one set a split; those of different samples add up in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreSums {
    pub(super) n_classes: usize,
    pub(super) counts: Vec<u64>,
    /// Sum of p·ln p over samples and classes.
    pub(super) information: Vec<i128>,
    /// `[splits, classes]`: sum of the probabilities.
    pub(super) probabilities: Vec<i128>,
}

/// An Inception Score.
#[derive(Debug, Clone, PartialEq)]
pub struct InceptionScore {
    /// Mean over the splits.
    pub mean: f64,
    /// Standard deviation over the splits (divided by their number).
    pub std: f64,
    /// The score of each split.
    pub splits: Vec<f64>,
}

impl ScoreSums {
    /// No samples yet.
    pub fn new(n_splits: usize, n_classes: usize) -> Self {
        Self {
            n_classes,
            counts: vec![0; n_splits],
            information: vec![0; n_splits],
            probabilities: vec![0; n_splits * n_classes],
        }
    }

    /// Adds one sample.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] for another number of logits, one that is not finite, or a split that does not exist.
    pub fn add(&mut self, split: usize, logits: &[f32]) -> Result<(), EvalError> {
        let bad = |reason: String| Err(EvalError::Setting { setting: "logits", reason });
        if split >= self.counts.len() || logits.len() != self.n_classes {
            return bad(format!(
                "must be {} a sample, got {} in split {split}",
                self.n_classes,
                logits.len()
            ));
        }
        if let Some(wrong) = logits.iter().find(|logit| !logit.is_finite()) {
            return bad(format!("must be finite, got {wrong}"));
        }
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        let log_sum = largest + sum.ln();
        let mut information = 0.0;
        let sums = &mut self.probabilities[split * self.n_classes..(split + 1) * self.n_classes];
        for (sum, &logit) in sums.iter_mut().zip(logits) {
            let log_probability = f64::from(logit) - log_sum;
            let probability = log_probability.exp();
            *sum += fixed(probability);
            information += probability * log_probability;
        }
        self.information[split] += fixed(information);
        self.counts[split] += 1;
        Ok(())
    }

    /// Adds the sums of other samples.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if splits or classes differ in number.
    pub fn merge(&mut self, other: &Self) -> Result<(), EvalError> {
        if (self.n_classes, self.counts.len()) != (other.n_classes, other.counts.len()) {
            let reason = "differ in the number of classes or splits".into();
            return Err(EvalError::Setting { setting: "logits", reason });
        }
        let add = |to: &mut [i128], from: &[i128]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.information, &other.information);
        add(&mut self.probabilities, &other.probabilities);
        self.counts.iter_mut().zip(&other.counts).for_each(|(to, from)| *to += from);
        Ok(())
    }

    /// The score: exp of the mean divergence between a sample's classes and those of its split.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if there is no sample at all.
    ///
    /// # Source
    ///
    /// Salimans et al. 2016 (arXiv:1606.03498), section 4. Published numbers take logits without their bias and differ in
    /// the splits, see [`Splits`].
    pub fn score(&self) -> Result<InceptionScore, EvalError> {
        let mut splits = Vec::with_capacity(self.counts.len());
        for (split, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let n = count as f64;
            let of_split = &self.probabilities[split * self.n_classes..(split + 1) * self.n_classes];
            let marginal = of_split.iter().map(|&sum| float(sum) / n).filter(|&p| p > 0.0);
            let entropy: f64 = marginal.map(|p| p * p.ln()).sum();
            splits.push((float(self.information[split]) / n - entropy).exp());
        }
        if splits.is_empty() {
            let reason = "are needed of at least one image".into();
            return Err(EvalError::Setting { setting: "logits", reason });
        }
        let n = splits.len() as f64;
        let mean = splits.iter().sum::<f64>() / n;
        let variance = splits.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / n;
        Ok(InceptionScore { mean, std: variance.sqrt(), splits })
    }
}
