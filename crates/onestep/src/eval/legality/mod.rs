//! Whether images are portraits that can be drawn, and how what is drawn is distributed: precision and recall without a network.
//!
//! Every portrait of [`builtin:portraits`](crate::data::open()) is put together from parts, so it can be said of any image which
//! portrait is nearest, how far it is, and what its attributes are. [`NearestPortrait`] says it as numbers whose means over many
//! images are shares; [`Legality`] reads the means.

mod layout;
mod nearest_portrait;

pub use nearest_portrait::NearestPortrait;

use onestep_portraits::Attribute;

use self::layout::{FAILS, Layout, NAME, WITHIN};
use super::metric::Score;
use super::statistics::Statistics;
use super::{AskedClasses, Collection, EvalError};
use crate::data::spread;

/// What images are as portraits.
///
/// An image is legal within some levels of 255 where no value of it is farther than that from the nearest portrait's. Attributes are those
/// of the nearest portrait, legal or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Legality {
    /// Number of images.
    pub n: u64,
    /// Levels of 255, and the share of images that are legal within them.
    pub within: Vec<(u8, f64)>,
    /// The share of images that are legal within the most of these levels and of a combination that no training image has.
    pub held_out: f64,
    /// The share of images that are equal, but for rounding, to one of the training images.
    pub repeats: f64,
    /// The largest difference of a value from the nearest portrait's, the mean over the images, in levels of 255.
    pub largest_difference: f64,
    /// The root of the mean squared difference from the nearest portraits, in levels of 255.
    pub difference: f64,
    /// Of which attribute's part the worst pixel is in images that are not legal within the most of these levels, as shares of all images.
    pub fails: Vec<(&'static str, f64)>,
    /// How each attribute is distributed.
    pub attributes: Vec<AttributeShares>,
}

/// How an attribute is distributed in images.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeShares {
    /// Its name.
    pub name: &'static str,
    /// The share of each of its values.
    pub shares: Vec<f64>,
    /// The entropy of the shares, in bits.
    pub entropy: f64,
    /// The entropy of what is drawn by rule, in bits.
    pub entropy_by_rule: f64,
    /// How the shares diverge from what is drawn by rule, in bits: Σ p·log₂(p/q). 0 where they are equal; of n images of the rule
    /// itself it is about (values - 1)/(2·ln 2·n).
    pub divergence: f64,
}

impl Legality {
    /// Of images that [`NearestPortrait`] has looked at.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if something else has.
    pub fn of(samples: &Collection, statistics: &Statistics) -> Result<Self, EvalError> {
        let layout = Layout::get();
        if samples.subject().network != NAME || statistics.mean().len() != layout.width() {
            let reason = format!("must be `{NAME}`, not `{}`", samples.subject().network);
            return Err(EvalError::Setting { setting: "the network of the metric `legal`", reason });
        }
        let mean = statistics.mean();
        let fails =
            FAILS.clone().zip(Attribute::ALL).map(|(place, attribute)| (attribute.name(), mean[place]));
        Ok(Self {
            n: samples.subject().n as u64,
            within: WITHIN.into_iter().zip(mean.iter().copied()).collect(),
            held_out: mean[layout::HELD_OUT],
            repeats: mean[layout::REPEATS],
            largest_difference: mean[layout::LARGEST],
            difference: (255.0 * mean[layout::SQUARE]).sqrt(),
            fails: fails.filter(|(_, share)| *share > 0.0).collect(),
            attributes: Attribute::ALL
                .map(|attribute| AttributeShares::new(attribute, &mean[layout.values(attribute)]))
                .into(),
        })
    }

    /// The same as scores, by name.
    pub fn scores(&self) -> Vec<Score> {
        let n = self.n as usize;
        let one = |metric: String, value| Score { metric, value, error: None, n, n_reference: None };
        let share = |metric: String, value: f64| {
            // The deviation of a share of n that are drawn one by one.
            Score { error: Some((value * (1.0 - value) / n as f64).sqrt()), ..one(metric, value) }
        };
        let within =
            self.within.iter().map(|(levels, value)| share(format!("legal within {levels}"), *value));
        let rest = [share("held-out".into(), self.held_out), share("repeats".into(), self.repeats)];
        let differences = [
            one("largest difference".into(), self.largest_difference),
            one("difference".into(), self.difference),
        ];
        let fails = self.fails.iter().map(|(name, value)| share(format!("fails at {name}"), *value));
        let attributes = self.attributes.iter().flat_map(|shares| {
            let AttributeShares { name, entropy, divergence, .. } = shares;
            [one(format!("entropy of {name}"), *entropy), one(format!("divergence of {name}"), *divergence)]
        });
        within.chain(rest).chain(differences).chain(fails).chain(attributes).collect()
    }
}

/// The share of the samples that have the value of an attribute that they were asked to have, of those whose features are kept; none
/// where the classes are not the values of an attribute.
///
/// # Errors
///
/// [`EvalError::Setting`] if something else than [`NearestPortrait`] has looked at them, or there are not as many classes as samples.
pub fn accuracy(samples: &Collection, classes: &AskedClasses) -> Result<Option<Score>, EvalError> {
    let is_asked = |attribute: &Attribute| attribute.names() == classes.names;
    let Some(attribute) = Attribute::ALL.into_iter().find(is_asked) else { return Ok(None) };
    let (subject, rows) = (samples.subject(), samples.rows()?);
    let values = Layout::get().values(attribute);
    if subject.n != classes.labels.len() || rows.width() < values.end {
        let reason = format!("must be {}, one for each sample, not {}", subject.n, classes.labels.len());
        return Err(EvalError::Setting { setting: "the number of classes", reason });
    }
    let kept = spread(subject.n, subject.kept).into_iter().map(|image| classes.labels[image]);
    let n = rows.n();
    let right = kept.enumerate().filter(|&(row, label)| rows.row(row)[values.start + label] == 1.0).count();
    let value = right as f64 / n as f64;
    let error = Some((value * (1.0 - value) / n as f64).sqrt());
    Ok(Some(Score { metric: format!("accuracy of {attribute}"), value, error, n, n_reference: None }))
}

impl AttributeShares {
    fn new(attribute: Attribute, shares: &[f64]) -> Self {
        let rule = attribute.distribution();
        let entropy = |shares: &[f64]| -> f64 { shares.iter().map(|&p| -times_log(p, p)).sum() };
        let divergence = shares.iter().zip(rule).map(|(&p, &q)| times_log(p, p / q)).sum();
        Self {
            name: attribute.name(),
            shares: shares.to_vec(),
            entropy: entropy(shares),
            entropy_by_rule: entropy(rule),
            divergence,
        }
    }
}

/// p·log₂ q, which is 0 where p is.
fn times_log(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * q.log2() } else { 0.0 }
}
