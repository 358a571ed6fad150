//! Scores with all that must be said with them.

use std::fmt;

use super::EvalError;
use super::collection::Collection;
use super::metric::{Metric, Score};
use super::protocol::Protocol;
use super::reference::Reference;
use super::score::score;
use crate::model::Precision;
use crate::size::ImageSize;

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
    /// Height and width of the samples, where they have one size and it is known.
    pub size: Option<ImageSize>,
    /// Height and width of the reference's images, where they have one size and it is known.
    pub reference_size: Option<ImageSize>,
    /// What the products of the network were computed in that drew the samples; none for samples that were not drawn.
    pub precision: Option<Precision>,
    /// The guidance scale that the samples were drawn at, 1 where there was no guidance; none for samples that were not drawn.
    pub guidance: Option<f64>,
    /// What makes the scores less than they look.
    pub warnings: Vec<Warning>,
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
        let warnings = warnings(metrics, samples, reference);
        Ok(Self {
            network: samples.subject().network.clone(),
            protocol: reference.protocol,
            scores,
            floor,
            size: samples.subject().size,
            reference_size: reference.size,
            precision: samples.subject().precision(),
            guidance: samples.subject().guidance(),
            warnings,
        })
    }
}

/// What makes these scores less than they look.
fn warnings(metrics: &[Metric], samples: &Collection, reference: &Reference) -> Vec<Warning> {
    let subject = samples.subject();
    let features = subject.pooled;
    let sides = [
        (Side::Samples, Some(subject.n as u64).filter(|_| reference.is_there())),
        (Side::Reference, reference.n),
    ];
    let few = sides.into_iter().filter_map(|(side, n)| {
        let n = n.filter(|&n| n < features as u64 + 1)?;
        Some(Warning::FewImages { side, n, features })
    });
    let sizes = subject.size.zip(reference.size).filter(|(samples, reference)| samples != reference);
    let sizes = sizes.map(|(samples, reference)| Warning::Sizes { samples, reference });
    let scored = metrics.contains(&Metric::InceptionScore).then_some(subject.logits).flatten();
    let n_splits = subject.splits.of(subject.n).last().map_or(1, |last| last + 1);
    let n_split = subject.n / n_splits;
    let few_a_split = scored.filter(|&n_classes| n_split < n_classes);
    let few_a_split = few_a_split.map(|n_classes| Warning::FewASplit { n_split, n_classes });
    few.chain(sizes).chain(few_a_split).collect()
}

/// A side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is judged.
    Samples,
    /// What it is compared with.
    Reference,
}

/// What makes a score less than it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Fewer images than features: their covariance is of low rank, which makes Fréchet distances too large.
    FewImages {
        /// Whose images.
        side: Side,
        /// How many they are.
        n: u64,
        /// Features of the network.
        features: usize,
    },
    /// Images of two sizes: the network sees one side enlarged more than the other, and that alone is a distance.
    Sizes {
        /// Height and width of the samples.
        samples: ImageSize,
        /// Height and width of the reference's images.
        reference: ImageSize,
    },
    /// Fewer images in a split of the Inception Score than the network knows classes: no split can score above their number.
    FewASplit {
        /// Images in a split.
        n_split: usize,
        /// Classes of the network.
        n_classes: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewImages { side, n, features } => {
                let whose = match side {
                    Side::Samples => "samples",
                    Side::Reference => "images of the reference",
                };
                write!(
                    f,
                    "{n} {whose} are too few for {features} features: Fréchet distances are too large, and only \
                     comparable at equal numbers"
                )
            }
            Self::Sizes { samples, reference } => write!(
                f,
                "the samples are {samples} and the reference is {reference}: part of the distance is that of their sizes; \
                 bring both to one with --image-size"
            ),
            Self::FewASplit { n_split, n_classes } => write!(
                f,
                "{n_split} images a split cannot score above {n_split}, and the network knows {n_classes} classes: the score \
                 is too low, and only comparable at equal numbers"
            ),
        }
    }
}
