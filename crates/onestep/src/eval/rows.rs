//! Activations kept as they are, for the metrics that compare images one by one.

use super::EvalError;
use crate::data::spread;

/// `[n, width]` activations, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
    /// Wraps activations.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the rows are not whole, or a number is not finite.
    pub fn new(width: usize, values: Vec<f32>) -> Result<Self, EvalError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            let reason = format!("come in rows of {width}, got {} numbers", values.len());
            return Err(EvalError::Setting { setting: "activations", reason });
        }
        match values.iter().find(|value| !value.is_finite()) {
            Some(bad) => Err(EvalError::Setting {
                setting: "activations",
                reason: format!("must be finite, got {bad}"),
            }),
            None => Ok(Self { width, values }),
        }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.values.len() / self.width
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The activations of one image.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// At most `n` of the rows, spread over all of them ([`spread`]).
    pub fn some(&self, n: usize) -> Self {
        let values = spread(self.n(), n).into_iter().flat_map(|index| self.row(index)).copied().collect();
        Self { width: self.width, values }
    }

    /// Some rows in f64, as the columns of a matrix lie: one image after the other.
    pub(super) fn select(&self, indices: impl IntoIterator<Item = usize>) -> Vec<f64> {
        indices.into_iter().flat_map(|index| self.row(index).iter().map(|&value| f64::from(value))).collect()
    }

    /// Refuses rows of another network.
    pub(super) fn check_width(&self, other: &Self) -> Result<(), EvalError> {
        if self.width == other.width {
            return Ok(());
        }
        let reason = format!("have {} features here and {} there", self.width, other.width);
        Err(EvalError::Setting { setting: "activations", reason })
    }
}
