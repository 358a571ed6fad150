//! The Fréchet distance between two sets of activations, each seen as a Gaussian.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use super::EvalError;
use super::statistics::Statistics;

/// One side of Fréchet distances, ready for many others: the square root of its covariance is computed once.
#[derive(Debug, Clone)]
pub struct FrechetReference {
    mean: Vec<f64>,
    trace: f64,
    root: Mat<f64>,
}

impl FrechetReference {
    /// Prepares one side: one eigen-decomposition, 1.1 s for 2048 features.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the decomposition does not converge, which no covariance was seen to do.
    pub fn new(statistics: &Statistics) -> Result<Self, EvalError> {
        let width = statistics.width();
        let decomposed = matrix(statistics).self_adjoint_eigen(Side::Lower).map_err(|_| no_eigenvalues())?;
        let vectors = decomposed.U();
        // A covariance has no negative eigenvalues; those that rounding makes are zero.
        let roots: Vec<f64> =
            decomposed.S().column_vector().iter().map(|&value| value.max(0.0).sqrt()).collect();
        let scaled = Mat::from_fn(width, width, |row, column| vectors[(row, column)] * roots[column]);
        let root = product(scaled.as_ref(), vectors.transpose());
        Ok(Self { mean: statistics.mean().to_vec(), trace: trace(statistics), root })
    }

    /// The Fréchet distance to another set: |m₁ - m₂|² + tr S₁ + tr S₂ - 2 tr √(S₁^½ S₂ S₁^½).
    ///
    /// Never negative: what rounding leaves below zero between equal sets is zero. With fewer images than features it is
    /// too large, see [`Statistics::is_rank_deficient`].
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the widths differ, or the decomposition does not converge.
    ///
    /// # Source
    ///
    /// Heusel et al. 2017 (arXiv:1706.08500), eq. 6; published code takes the square root of S₁S₂, which is not symmetric,
    /// by a general matrix root whose result can be complex. The symmetric product has the same eigenvalues, and they are
    /// real.
    pub fn distance(&self, other: &Statistics) -> Result<f64, EvalError> {
        if other.width() != self.mean.len() {
            let reason = format!(
                "have {} features here and {} there; both sides must come from one feature network",
                other.width(),
                self.mean.len()
            );
            return Err(EvalError::Setting { setting: "statistics", reason });
        }
        let between: f64 = self.mean.iter().zip(other.mean()).map(|(a, b)| (a - b).powi(2)).sum();
        let half = product(self.root.as_ref(), matrix(other));
        let symmetric = product(half.as_ref(), self.root.as_ref());
        let eigenvalues = symmetric.self_adjoint_eigenvalues(Side::Lower).map_err(|_| no_eigenvalues())?;
        let overlap: f64 = eigenvalues.iter().map(|value| value.max(0.0).sqrt()).sum();
        Ok((between + self.trace + trace(other) - 2.0 * overlap).max(0.0))
    }
}

/// The Fréchet distance between two sets; [`FrechetReference`] where one side meets several others.
///
/// # Errors
///
/// As [`FrechetReference::distance`].
///
/// # Examples
///
/// ```
/// use onestep::eval::{Statistics, frechet_distance};
/// // In one dimension: (m₁ - m₂)² + (s₁ - s₂)².
/// let a = Statistics::new(vec![1.0], vec![4.0], None)?;
/// let b = Statistics::new(vec![3.0], vec![9.0], None)?;
/// assert!((frechet_distance(&a, &b)? - 5.0).abs() < 1e-12);
/// # Ok::<(), onestep::eval::EvalError>(())
/// ```
pub fn frechet_distance(a: &Statistics, b: &Statistics) -> Result<f64, EvalError> {
    FrechetReference::new(a)?.distance(b)
}

/// The covariance as a matrix; symmetric, so rows and columns are one.
fn matrix(statistics: &Statistics) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(statistics.covariance(), statistics.width(), statistics.width())
}

fn trace(statistics: &Statistics) -> f64 {
    statistics.covariance().iter().step_by(statistics.width() + 1).sum()
}

/// On one thread, so that the number of threads changes no bit.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    product
}

fn no_eigenvalues() -> EvalError {
    EvalError::Setting { setting: "statistics", reason: "have a covariance without eigenvalues".into() }
}
