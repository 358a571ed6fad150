//! The likelihood of a data set: how probable a diffusion model finds each of its images, and all of them.

use super::EvalError;
use super::images::check_images;
use super::likelihood::{LikelihoodOptions, bits_per_dimension};
use crate::Result;
use crate::data::{DataSpec, Dataset, Pixels, Rounding};
use crate::front::Model;
use crate::model::{Condition, ModelKind};
use crate::observer::{Observer, Work, tell};

/// Bits per dimension of the images of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct DataLikelihood {
    /// Of each image, in order; of the first ones only, where the observer wanted to stop.
    pub each: Vec<f64>,
    /// Images of the set.
    pub n: usize,
    /// Network evaluations an image, each with a gradient.
    pub nfe: usize,
}

impl DataLikelihood {
    /// Whether all images are in.
    pub fn is_whole(&self) -> bool {
        self.each.len() == self.n
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.each.iter().sum::<f64>() / self.each.len() as f64
    }

    /// The standard error of the mean over the images.
    pub fn standard_error(&self) -> f64 {
        let (n, mean) = (self.each.len() as f64, self.mean());
        let variance = self.each.iter().map(|bits| (bits - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        (variance / n).sqrt()
    }
}

impl LikelihoodOptions {
    /// The usual choices for a diffusion model: its own levels and their spacing, 32 steps, one probe.
    ///
    /// # Errors
    ///
    /// [`EvalError::NoOde`] for other models.
    pub fn of(model: &Model) -> Result<Self, EvalError> {
        if model.kind() != ModelKind::Diffusion {
            return Err(EvalError::NoOde);
        }
        let range = model.range();
        Ok(Self { rho: model.profile().rho, ..Self::new(range.sigma_min, range.sigma_max) })
    }
}

/// How a model wants to look at data: in its size and colors, with classes where it knows classes.
///
/// # Errors
///
/// [`EvalError::Points`] for a model of points.
pub fn likelihood_spec(model: &Model, data: DataSpec) -> Result<DataSpec, EvalError> {
    let shape = model.shape();
    check_images("this model", shape.channels)?;
    Ok(DataSpec {
        image_size: Some(shape.size()),
        grey: shape.channels == 1,
        labels: model.n_classes().is_some().into(),
        ..data
    })
}

/// Bits per dimension of all images of a set under a diffusion model, `batch` at a time, which changes no bit.
///
/// The observer is told after every batch; when it wants to stop, what is done by then is returned.
///
/// # Randomness
///
/// As [`bits_per_dimension`], by the images' places in the set.
///
/// # Errors
///
/// - [`EvalError::Points`] for data that are no images, [`EvalError::Unlabelled`] where the model wants classes that the data
///   do not have.
/// - As [`bits_per_dimension`].
///
/// # Source
///
/// As [`bits_per_dimension`].
pub fn likelihood(
    model: &Model,
    set: &dyn Dataset,
    options: &LikelihoodOptions,
    batch: usize,
    observer: &mut dyn Observer,
) -> Result<DataLikelihood> {
    check_images("the data set", set.shape().channels)?;
    let n = set.len();
    let mut found =
        DataLikelihood { each: Vec::with_capacity(n), n, nfe: options.nfe(set.shape().n_values()) };
    let batch = batch.max(1);
    for first in (0..n).step_by(batch) {
        let numbers: Vec<u64> = (first..n.min(first + batch)).map(|index| index as u64).collect();
        let samples =
            numbers.iter().map(|&index| set.sample(index as usize)).collect::<Result<Vec<_>, _>>()?;
        let pixels = |values| Pixels::from_values(values, set.shape(), Rounding::Edm);
        let images = samples.iter().map(|sample| pixels(&sample.values)).collect::<Result<Vec<_>, _>>()?;
        let labels = match model.n_classes() {
            Some(_) => {
                let labels: Option<Vec<usize>> = samples.iter().map(|sample| sample.label).collect();
                Some(labels.ok_or(EvalError::Unlabelled)?)
            }
            None => None,
        };
        let condition = Condition::of_labels(labels);
        let bits =
            bits_per_dimension(model.denoiser(), &images, &numbers, &condition, options, model.device())?;
        found.each.extend(bits);
        if !tell(observer, Work::Judging, found.each.len(), n) {
            break;
        }
    }
    Ok(found)
}
