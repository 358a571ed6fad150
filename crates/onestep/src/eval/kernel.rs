//! The kernel distance (KID on Inception's features): a distance that is right on average for any number of images.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::EvalError;
use super::permutation::Permutations;
use super::rows::Rows;

/// Columns of a matrix of kernel values that are computed together.
const STRIP: usize = 256;

/// The seed of the subsets, torch-fidelity's default.
const SUBSET_SEED: u32 = 2020;

/// Rows of both sides whose distance is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    /// Rows of the samples.
    pub samples: Vec<usize>,
    /// Rows of the reference.
    pub reference: Vec<usize>,
}

/// The kernel distance over some subsets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelDistance {
    /// Mean over the subsets: an unbiased estimate, which can be negative.
    pub mean: f64,
    /// Standard deviation over the subsets (divided by their number): how far a single one may be off.
    pub std: f64,
    /// Number of subsets.
    pub n_subsets: usize,
    /// Rows of each side in a subset.
    pub subset_size: usize,
}

/// The subsets that torch-fidelity draws with its default seed, so that its numbers can be compared with ours.
///
/// `size` is made smaller where a side has fewer rows.
///
/// # Source
///
/// `kid_features_to_metric` of torch-fidelity: for each subset a choice without replacement from the first side, then one
/// from the second, from numpy's old generator with seed 2020.
pub fn subsets(n_samples: usize, n_reference: usize, n_subsets: usize, size: usize) -> Vec<Subset> {
    let size = size.min(n_samples).min(n_reference);
    let mut permutations = Permutations::new(SUBSET_SEED);
    let mut choose = |n| {
        let mut order = permutations.next(n);
        order.truncate(size);
        order
    };
    (0..n_subsets).map(|_| Subset { samples: choose(n_samples), reference: choose(n_reference) }).collect()
}

/// The kernel distance between two sets of activations.
///
/// # Errors
///
/// [`EvalError::Setting`] if the widths differ, there is no subset, or one has fewer than two rows a side or a row that
/// does not exist.
pub fn kernel_distance(
    samples: &Rows,
    reference: &Rows,
    subsets: &[Subset],
) -> Result<KernelDistance, EvalError> {
    let Some(first) = subsets.first() else { return Err(bad_subset("at least one is needed")) };
    let distances: Vec<f64> = subsets
        .par_iter()
        .map(|subset| squared_discrepancy(samples, reference, subset))
        .collect::<Result<_, _>>()?;
    let n = distances.len() as f64;
    let mean = distances.iter().sum::<f64>() / n;
    let variance = distances.iter().map(|distance| (distance - mean).powi(2)).sum::<f64>() / n;
    Ok(KernelDistance {
        mean,
        std: variance.sqrt(),
        n_subsets: subsets.len(),
        subset_size: first.samples.len().min(first.reference.len()),
    })
}

/// The unbiased estimate of the squared maximum mean discrepancy under the kernel (x·y/width + 1)³.
///
/// # Errors
///
/// As [`kernel_distance`].
///
/// # Source
///
/// Bińkowski et al. 2018 (arXiv:1801.01401), eq. 4; Gretton et al. 2012, eq. 3. In f64, as torch-fidelity computes it.
pub fn squared_discrepancy(samples: &Rows, reference: &Rows, subset: &Subset) -> Result<f64, EvalError> {
    samples.check_width(reference)?;
    for (indices, rows) in [(&subset.samples, samples), (&subset.reference, reference)] {
        if indices.len() < 2 {
            return Err(bad_subset("at least two images a side are needed"));
        }
        if indices.iter().any(|&index| index >= rows.n()) {
            return Err(bad_subset("a row does not exist"));
        }
    }
    let (x, y) = (Side::new(samples, &subset.samples), Side::new(reference, &subset.reference));
    let within = |side: &Side| {
        let (sum, diagonal) = side.kernel_sums(side);
        let n = side.n as f64;
        (sum - diagonal) / (n * (n - 1.0))
    };
    let (between, _) = x.kernel_sums(&y);
    Ok(within(&x) + within(&y) - 2.0 * between / (x.n as f64 * y.n as f64))
}

/// One side of a subset, images as columns.
struct Side {
    width: usize,
    n: usize,
    values: Vec<f64>,
}

impl Side {
    fn new(rows: &Rows, indices: &[usize]) -> Self {
        Self { width: rows.width(), n: indices.len(), values: rows.select(indices.iter().copied()) }
    }

    fn columns(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.width, self.n)
    }

    /// The sum of the kernel over all pairs, and over the pairs of equal number.
    fn kernel_sums(&self, other: &Self) -> (f64, f64) {
        let (mut all, mut diagonal) = (0.0, 0.0);
        for first in (0..other.n).step_by(STRIP) {
            let n_columns = STRIP.min(other.n - first);
            let mut kernel = Mat::<f64>::zeros(self.n, n_columns);
            let strip = other.columns().submatrix(0, first, other.width, n_columns);
            matmul(kernel.as_mut(), Accum::Replace, self.columns().transpose(), strip, 1.0, Par::Seq);
            for column in 0..n_columns {
                let values = kernel.col(column);
                let cubed = |value: &f64| (value / self.width as f64 + 1.0).powi(3);
                all += values.iter().map(cubed).sum::<f64>();
                if first + column < self.n {
                    diagonal += cubed(&values[first + column]);
                }
            }
        }
        (all, diagonal)
    }
}

fn bad_subset(reason: &str) -> EvalError {
    EvalError::Setting { setting: "subsets", reason: reason.into() }
}
