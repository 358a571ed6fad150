//! Scores with all that must be said with them.

use std::fmt;

use super::EvalError;
use super::collection::Collection;
use super::metric::{Metric, Score};
use super::protocol::Protocol;
use super::reference::Reference;
use super::score::score;

/// Samples beside a reference: never a number without what it depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The network that saw both sides.
    pub network: String,
    /// The rules that both went by.
    pub protocol: Protocol,
    /// What the samples score.
    pub scores: Vec<Score>,
    /// What one half of the reference scores against the other, where it was asked for a Fréchet distance and the
    /// reference's images are at hand.
    pub floor: Option<Score>,
    /// What makes the scores less than they look.
    pub warnings: Vec<FewImages>,
}

impl Comparison {
    /// The scores of samples that are all collected.
    ///
    /// # Errors
    ///
    /// As [`score()`] and [`Reference::floor`].
    pub fn new(metrics: &[Metric], samples: &Collection, reference: &Reference) -> Result<Self, EvalError> {
        let scores = score(metrics, samples, reference)?;
        let floor = if metrics.contains(&Metric::Frechet) { reference.floor()? } else { None };
        let features = samples.subject().pooled;
        let sides = [
            (Side::Samples, Some(samples.subject().n as u64).filter(|_| reference.is_there())),
            (Side::Reference, reference.n),
        ];
        let few = |(side, n): (Side, Option<u64>)| {
            let n = n.filter(|&n| n < features as u64 + 1)?;
            Some(FewImages { side, n, features })
        };
        Ok(Self {
            network: samples.subject().network.clone(),
            protocol: reference.protocol,
            scores,
            floor,
            warnings: sides.into_iter().filter_map(few).collect(),
        })
    }
}

/// A side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is judged.
    Samples,
    /// What it is compared with.
    Reference,
}

/// Fewer images than features: their covariance is of low rank, which makes Fréchet distances too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FewImages {
    /// Whose images.
    pub side: Side,
    /// How many they are.
    pub n: u64,
    /// Features of the network.
    pub features: usize,
}

impl fmt::Display for FewImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.side {
            Side::Samples => "samples",
            Side::Reference => "images of the reference",
        };
        write!(
            f,
            "{} {whose} are too few for {} features: Fréchet distances are too large, and only comparable at equal numbers",
            self.n, self.features
        )
    }
}
