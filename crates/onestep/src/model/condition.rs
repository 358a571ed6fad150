//! What a network is told besides the noisy image and its noise level.

use onestep_kernels::DropoutMask;

use super::ModelError;
use crate::noise::{Purpose, Stream};

/// Class labels, augmentation labels, guidance scales and the dropout key of one evaluation. The default is: nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    /// The class of each sample, for class-conditional networks. A sample without one, as all are where nothing is given, is of
    /// the null class: nothing is added for it.
    pub labels: Option<Vec<Option<usize>>>,
    /// EDM's augmentation labels, `[batch][n_labels]`; none means not augmented (all zero).
    pub augment: Option<Vec<Vec<f32>>>,
    /// The guidance scale of each sample: told to networks that were distilled from guided teachers, and what
    /// [`Guided`](super::Guided) guides with. Where none is given, it is 1, the model without guidance.
    pub guidance: Option<Vec<f64>>,
    /// Dropout is on exactly where a key is given.
    pub dropout: Option<DropoutKey>,
}

impl Condition {
    /// Class labels and nothing else.
    pub fn classes(labels: Vec<usize>) -> Self {
        Self::of_labels(Some(labels))
    }

    /// Class labels and nothing else, where there are any.
    pub fn of_labels(labels: Option<Vec<usize>>) -> Self {
        let labels = labels.map(|labels| labels.into_iter().map(Some).collect());
        Self { labels, ..Self::default() }
    }

    /// The same condition with every sample of the null class.
    #[must_use]
    pub fn without_classes(&self) -> Self {
        Self { labels: None, ..self.clone() }
    }

    /// The same condition with these guidance scales.
    #[must_use]
    pub fn with_guidance(&self, guidance: Option<Vec<f64>>) -> Self {
        Self { guidance, ..self.clone() }
    }

    /// The same condition without dropout.
    pub fn without_dropout(&self) -> Self {
        Self { dropout: None, ..self.clone() }
    }

    /// Checks the labels against what the network takes.
    ///
    /// # Errors
    ///
    /// [`ModelError::ClassNotTaken`], [`ModelError::UnknownClass`] or [`ModelError::WrongBatch`].
    pub fn check(&self, batch: usize, n_classes: Option<usize>) -> Result<(), ModelError> {
        match (&self.labels, n_classes) {
            (None, _) => {}
            (Some(_), None) => return Err(ModelError::ClassNotTaken),
            (Some(labels), Some(n_classes)) => {
                check_batch("class labels", labels.len(), batch)?;
                if let Some(&label) = labels.iter().flatten().find(|&&label| label >= n_classes) {
                    return Err(ModelError::UnknownClass { label, n_classes });
                }
            }
        }
        if let Some(key) = &self.dropout {
            check_batch("dropout sample numbers", key.samples.len(), batch)?;
        }
        if let Some(augment) = &self.augment {
            check_batch("augmentation labels", augment.len(), batch)?;
        }
        if let Some(guidance) = &self.guidance {
            check_batch("guidance scales", guidance.len(), batch)?;
        }
        Ok(())
    }

    /// The condition of a batch of which `times` copies follow each other.
    ///
    /// # Randomness
    ///
    /// Each copy of a sample drops out by itself: copy j of sample s is number s·times + j, so that numbers are as different as
    /// those of the samples are, however these are cut into batches.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        let numbers = |key: &DropoutKey| -> Vec<u64> {
            let copy = |j: u64| key.samples.iter().map(move |sample| sample * times as u64 + j);
            (0..times as u64).flat_map(copy).collect()
        };
        Self {
            labels: self.labels.as_ref().map(|labels| labels.repeat(times)),
            augment: self.augment.as_ref().map(|augment| vec![augment.as_slice(); times].concat()),
            guidance: self.guidance.as_ref().map(|guidance| guidance.repeat(times)),
            dropout: self.dropout.as_ref().map(|key| DropoutKey { samples: numbers(key), ..key.clone() }),
        }
    }

    /// The condition of some of the samples only.
    pub fn select(&self, samples: std::ops::Range<usize>) -> Self {
        Self {
            labels: self.labels.as_ref().map(|labels| labels[samples.clone()].to_vec()),
            augment: self.augment.as_ref().map(|augment| augment[samples.clone()].to_vec()),
            guidance: self.guidance.as_ref().map(|guidance| guidance[samples.clone()].to_vec()),
            dropout: self
                .dropout
                .as_ref()
                .map(|key| DropoutKey { samples: key.samples[samples.clone()].to_vec(), ..key.clone() }),
        }
    }
}

/// Refuses a per-sample list of another length than the batch.
pub(crate) fn check_batch(what: &'static str, found: usize, batch: usize) -> Result<(), ModelError> {
    if found == batch { Ok(()) } else { Err(ModelError::WrongBatch { what, found, batch }) }
}

/// Where dropout masks come from: a mask is a function of this key, the layer and the sample alone.
///
/// Student and target of a consistency loss take the same key and so, by construction, the same masks.
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutKey {
    /// Seed of the run.
    pub seed: u64,
    /// Training step.
    pub step: u64,
    /// Number of each sample within the run (for example images seen before it).
    pub samples: Vec<u64>,
}

impl DropoutKey {
    /// The mask of one layer: each value is 0 with probability `rate`, which is below 1, else 1/(1 - rate).
    pub fn mask(&self, layer: u32, rate: f64) -> DropoutMask {
        let stream =
            |&sample: &u64| Stream::with_lane(self.seed, Purpose::Dropout, self.step, sample, layer).mask();
        DropoutMask::new(rate, self.samples.iter().map(stream))
    }
}
