//! Scores: metrics of one side beside another.

use super::collection::Collection;
use super::images::AskedClasses;
use super::kernel::{kernel_distance, subsets};
use super::metric::{Metric, Score};
use super::precision_recall::precision_recall;
use super::protocol::Protocol;
use super::reference::Reference;
use super::rows::Rows;
use super::{EvalError, Widths};

const NEEDS_SPATIAL: &str = "needs a network that tells where: Inception";
/// How the name of what looks for the nearest portrait begins.
const PORTRAITS_LOOK: &str = "nearest portrait";
const NEEDS_LOGITS: &str = "needs a network that tells classes";

/// Refuses metrics that cannot come of it, before images are drawn for them.
///
/// # Errors
///
/// [`EvalError::Metric`] if the network does not tell what a metric needs, or there are too few samples for it.
pub fn check_metrics(
    metrics: &[Metric],
    network: &str,
    widths: Widths,
    n: usize,
    k: usize,
) -> Result<(), EvalError> {
    for &metric in metrics {
        let lacks = match metric {
            Metric::SpatialFrechet if widths.spatial.is_none() => NEEDS_SPATIAL,
            Metric::InceptionScore if widths.logits.is_none() => NEEDS_LOGITS,
            Metric::Legal if !network.starts_with(PORTRAITS_LOOK) => {
                "is measured by what knows portraits, and other metrics by networks that were trained: ask for them one by one"
            }
            Metric::PrecisionRecall if n <= k => "needs more images than neighbors",
            _ if n < 2 => "needs at least two images",
            _ => continue,
        };
        return Err(EvalError::Metric { metric: metric.label(network), reason: lacks.into() });
    }
    Ok(())
}

/// Measures what is asked of samples that are all collected.
///
/// # Errors
///
/// [`EvalError::Parts`] if samples are missing, [`EvalError::OtherNetwork`] if the sides were seen by two networks,
/// [`EvalError::Setting`] if they went by two protocols, [`EvalError::Metric`] if a side does not have what a metric needs,
/// and what the metrics refuse.
pub fn score(
    metrics: &[Metric],
    samples: &Collection,
    reference: &Reference,
) -> Result<Vec<Score>, EvalError> {
    samples.check_whole()?;
    reference.check_network(samples)?;
    let protocol = &reference.protocol;
    if samples.subject().protocol != protocol.name {
        let reason =
            format!("must be `{}`, by which these images were collected", samples.subject().protocol);
        return Err(EvalError::Setting { setting: "the protocol", reason });
    }
    let network = &samples.subject().network;
    let mut scores = Vec::new();
    for &metric in metrics {
        let label = metric.label(network);
        let lacks = |reason: &str| EvalError::Metric { metric: label.clone(), reason: reason.into() };
        let one = |value, error, n_reference| Score {
            metric: label.clone(),
            value,
            error,
            n: samples.subject().n,
            n_reference,
        };
        match metric {
            Metric::Frechet => {
                let side = reference.pooled.as_ref().ok_or_else(|| lacks("needs a reference"))?;
                let distance = side.distance(&samples.statistics(protocol.divisor)?)?;
                scores.push(one(distance, None, reference.n));
            }
            Metric::SpatialFrechet => {
                let statistics = samples.spatial_statistics(protocol.divisor)?;
                let statistics = statistics.ok_or_else(|| lacks(NEEDS_SPATIAL))?;
                let side = reference.spatial.as_ref();
                let side =
                    side.ok_or_else(|| lacks("needs `mu_s` and `sigma_s`, which this reference has not"))?;
                scores.push(one(side.distance(&statistics)?, None, reference.n));
            }
            Metric::InceptionScore => {
                let score = samples.score()?.ok_or_else(|| lacks(NEEDS_LOGITS))?;
                scores.push(one(score.mean, Some(score.std), None));
            }
            Metric::Kernel => {
                let (made, real) = both_rows(samples, reference, protocol, &lacks)?;
                let subsets = subsets(made.n(), real.n(), protocol.n_subsets, protocol.subset_size);
                let distance = kernel_distance(&made, &real, &subsets)?;
                let (n, n_reference) = (made.n(), Some(real.n() as u64));
                // Subsets that are all of both sides do not tell how far one may be off.
                let error = Some(distance.std).filter(|_| distance.subset_size < n.max(real.n()));
                scores.push(Score { n, ..one(distance.mean, error, n_reference) });
            }
            Metric::Legal => scores.extend(legality(samples, protocol)?),
            Metric::PrecisionRecall => {
                let (made, real) = both_rows(samples, reference, protocol, &lacks)?;
                let found = precision_recall(&made, &real, protocol.neighbors)?;
                let suffix = label.strip_prefix("precision and recall").unwrap_or_default();
                for (name, value) in [
                    ("precision", found.precision),
                    ("recall", found.recall),
                    ("density", found.density),
                    ("coverage", found.coverage),
                ] {
                    scores.push(Score {
                        metric: format!("{name}{suffix}"),
                        n: made.n(),
                        ..one(value, None, Some(real.n() as u64))
                    });
                }
            }
        }
    }
    Ok(scores)
}

/// What share of the images can be drawn.
#[cfg(feature = "builtin")]
fn legality(samples: &Collection, protocol: &Protocol) -> Result<Vec<Score>, EvalError> {
    let statistics = samples.statistics(protocol.divisor)?;
    Ok(super::legality::Legality::of(samples, &statistics)?.scores())
}

/// How many of the samples are of the class that was asked for; none where classes are no attribute of portraits.
#[cfg(feature = "builtin")]
pub(super) fn accuracy(samples: &Collection, classes: &AskedClasses) -> Result<Option<Score>, EvalError> {
    super::legality::accuracy(samples, classes)
}

/// A smaller build knows no portraits.
#[cfg(not(feature = "builtin"))]
pub(super) fn accuracy(_: &Collection, _: &AskedClasses) -> Result<Option<Score>, EvalError> {
    Ok(None)
}

/// A smaller build knows no portraits.
#[cfg(not(feature = "builtin"))]
fn legality(_: &Collection, _: &Protocol) -> Result<Vec<Score>, EvalError> {
    let reason = "needs the portraits, and this program was built without the feature `builtin`".into();
    Err(EvalError::Metric { metric: "legal".into(), reason })
}

/// The features of both sides one by one, as many as the protocol looks at.
fn both_rows(
    samples: &Collection,
    reference: &Reference,
    protocol: &Protocol,
    lacks: &dyn Fn(&str) -> EvalError,
) -> Result<(Rows, Rows), EvalError> {
    let made = samples.rows()?;
    if made.n() == 0 {
        return Err(lacks("needs the samples' features one by one, which these statistics do not hold"));
    }
    let real = reference.rows.as_ref();
    let real =
        real.ok_or_else(|| lacks("needs the reference's images, or statistics that hold their features"))?;
    Ok((made.some(protocol.kept), real.some(protocol.kept)))
}
