//! What a glance at a set shows, before a long run learns it.

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::{Dataset, Sample, spread};

/// How many images a glance looks at.
const GLANCE: usize = 64;

/// Values of one image that deviate less than this from their mean, three of 255 levels, are nearly one color.
const NEARLY_ONE_COLOR: f64 = 3.0 / 127.5;

/// Fewer images than this share may be nearly one color without a word.
const FEW: f64 = 0.1;

/// A class of more than this share has most images.
const MOST: f64 = 0.9;

/// Something about a set that is no error, and seldom meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Hint {
    /// The set is in color, and all of its images are grey.
    AllGrey {
        /// How many images were looked at.
        looked_at: usize,
    },
    /// Many images are nearly of one color each.
    OneColor {
        /// How many.
        n: usize,
        /// Of how many that were looked at.
        looked_at: usize,
    },
    /// One class of several has nearly all images.
    OneClass {
        /// Its name.
        class: String,
        /// How many images it has.
        n: usize,
        /// Of how many that were looked at.
        looked_at: usize,
    },
    /// A batch takes images more than once, because there are fewer than it has places.
    FewerThanBatch {
        /// How many images there are.
        n: usize,
        /// How many a batch takes.
        batch: usize,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllGrey { looked_at } => write!(
                f,
                "all images are grey ({looked_at} were looked at); with `grey = true` the network has one channel to learn \
                 in place of three"
            ),
            Self::OneColor { n, looked_at } => write!(
                f,
                "{n} of {looked_at} images are nearly one color; look at them before a model learns them"
            ),
            Self::OneClass { class, n, looked_at } => write!(
                f,
                "{n} of {looked_at} images are of one class, `{class}`; the others will hardly be learned"
            ),
            Self::FewerThanBatch { n, batch } => write!(
                f,
                "there are fewer images ({n}) than places in a batch ({batch}), so every step sees all of them, some twice"
            ),
        }
    }
}

/// What a look at some images shows, spread over the set: at most 64, those aside that cannot be had.
///
/// `batch` is how many images a step of the run to come takes, if there is one.
pub fn hints(dataset: &dyn Dataset, batch: Option<usize>) -> Vec<Hint> {
    let chosen = spread(dataset.len(), GLANCE);
    let samples: Vec<Sample> =
        chosen.into_par_iter().filter_map(|index| dataset.sample(index).ok()).collect();
    let mut glance = Glance::new(dataset);
    samples.iter().for_each(|sample| glance.add(sample));
    glance.hints(batch)
}

/// Counts of what hints are made of.
pub(super) struct Glance<'a> {
    dataset: &'a dyn Dataset,
    n_seen: usize,
    n_grey: usize,
    n_one_color: usize,
    n_labelled: usize,
    class_counts: Vec<usize>,
}

impl<'a> Glance<'a> {
    pub(super) fn new(dataset: &'a dyn Dataset) -> Self {
        let class_counts = vec![0; dataset.class_names().len()];
        Self { dataset, n_seen: 0, n_grey: 0, n_one_color: 0, n_labelled: 0, class_counts }
    }

    /// Counts an image and its label.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.n_seen += 1;
        self.n_grey += usize::from(is_grey(sample));
        self.n_one_color += usize::from(is_nearly_one_color(sample, self.dataset.shape().channels));
        self.add_label(sample.label);
    }

    /// Counts a label whose image was not looked at.
    pub(super) fn add_label(&mut self, label: Option<usize>) {
        self.n_labelled += 1;
        if let Some(count) = label.and_then(|label| self.class_counts.get_mut(label)) {
            *count += 1;
        }
    }

    pub(super) fn hints(&self, batch: Option<usize>) -> Vec<Hint> {
        let mut hints = Vec::new();
        let (channels, looked_at) = (self.dataset.shape().channels, self.n_seen);
        if channels == 3 && looked_at > 0 && self.n_grey == looked_at {
            hints.push(Hint::AllGrey { looked_at });
        }
        // One of two channels is the place of a point.
        if channels != 2 && self.n_one_color as f64 > FEW * looked_at as f64 {
            hints.push(Hint::OneColor { n: self.n_one_color, looked_at });
        }
        let most = self.class_counts.iter().enumerate().max_by_key(|(_, count)| **count);
        if let Some((class, &n)) = most
            && self.class_counts.len() > 1
            && n as f64 > MOST * self.n_labelled as f64
        {
            let class = self.dataset.class_names()[class].clone();
            hints.push(Hint::OneClass { class, n, looked_at: self.n_labelled });
        }
        let n = self.dataset.len();
        if let Some(batch) = batch.filter(|&batch| n < batch) {
            hints.push(Hint::FewerThanBatch { n, batch });
        }
        hints
    }
}

fn is_grey(sample: &Sample) -> bool {
    sample.values.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b)
}

/// Whether the values of every channel are nearly alike.
fn is_nearly_one_color(sample: &Sample, channels: usize) -> bool {
    let n = (sample.values.len() / channels).max(1) as f64;
    (0..channels).all(|channel| {
        let values = || sample.values.iter().skip(channel).step_by(channels).map(|&value| f64::from(value));
        let mean = values().sum::<f64>() / n;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        variance.sqrt() < NEARLY_ONE_COLOR
    })
}
