//! Mean and covariance of activations: all that the Fréchet distance looks at.

use super::EvalError;

/// By what the sum of squares is divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Divisor {
    /// n - 1: the unbiased covariance, as numpy's `cov` has it and nearly every published FID.
    #[default]
    Unbiased,
    /// n: the covariance of the sample itself, as ECT computes it.
    Population,
}

impl Divisor {
    /// The divisor for `n` samples.
    pub fn of(self, n: f64) -> f64 {
        match self {
            Self::Unbiased => n - 1.0,
            Self::Population => n,
        }
    }
}

/// Mean and covariance of a set of activations.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    mean: Vec<f64>,
    covariance: Vec<f64>,
    n: Option<u64>,
}

impl Statistics {
    /// Statistics from wherever; `n` is the number of images, where it is known.
    ///
    /// # Shapes
    ///
    /// `mean`: `[width]`; `covariance`: `[width, width]`.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the shapes do not fit, a number is not finite, or the matrix is none that a covariance can
    /// be: not symmetric (to a millionth of its largest entry, or what rounding makes of means so large), or with a negative
    /// number on its diagonal.
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>, n: Option<u64>) -> Result<Self, EvalError> {
        let bad = |reason: String| Err(EvalError::Setting { setting: "statistics", reason });
        let width = mean.len();
        if width == 0 || covariance.len() != width * width {
            return bad(format!(
                "need a mean and a square covariance of its width, got {width} and {} numbers",
                covariance.len()
            ));
        }
        if !mean.iter().chain(&covariance).all(|value| value.is_finite()) {
            return bad("hold a number that is not finite".into());
        }
        let largest =
            |values: &[f64]| values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        // Of features that never change, as those of copies of one image, rounding alone is left: a part of the means' squares.
        let rounding = 1e-6 * largest(&covariance) + 1e-10 * largest(&mean).powi(2);
        for row in 0..width {
            if covariance[row * width + row] < -rounding {
                return bad(format!("have a negative variance, of feature {row}"));
            }
            for column in 0..row {
                let difference = covariance[row * width + column] - covariance[column * width + row];
                if difference.abs() > rounding {
                    return bad(format!("have a covariance that is not symmetric, at {row}, {column}"));
                }
            }
        }
        Ok(Self { mean, covariance, n })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The mean of each feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[width, width]`, row after row.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// The number of images, where it is known.
    pub fn n(&self) -> Option<u64> {
        self.n
    }

    /// Whether there were too few images to know all directions: fewer than one more than there are features.
    pub fn is_rank_deficient(&self) -> bool {
        self.n.is_some_and(|n| n < self.mean.len() as u64 + 1)
    }
}
