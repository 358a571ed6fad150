//! First and second moments of activations, in one pass and in constant memory.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::EvalError;
use super::fixed_point::{MOST_ADDENDS, fixed, float};
use super::statistics::{Divisor, Statistics};

/// Samples whose products are added up in one go, in f64, before they enter the exact sums.
///
/// It also is the smallest piece of work: a shard of an evaluation computes whole blocks.
pub const BLOCK: usize = 64;

/// Columns of the matrix of products that are computed together; a thread computes one such strip.
const STRIP: usize = 64;

/// The largest activation that is taken: 64 squares of it stay within what the sums hold.
pub(super) const LARGEST_ACTIVATION: f32 = 32_768.0;

/// Sums of activations x and of their products x·xᵀ over any number of samples.
///
/// Two moments over different blocks of samples add up to the moments of all of them, to the bit and in any order: each
/// block's sums are computed in f64 in one fixed way and then added as integers (multiples of 2^-72 in 128 bits). Memory is
/// 8·width² bytes, whatever the number of samples: 34 MB for the 2048 features of Inception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moments {
    pub(super) width: usize,
    pub(super) count: u64,
    pub(super) n_blocks: u64,
    /// Sum of each feature.
    pub(super) sums: Vec<i128>,
    /// Sum of each product of two features, the lower triangle by columns.
    pub(super) products: Vec<i128>,
}

impl Moments {
    /// The moments of nothing.
    pub fn new(width: usize) -> Self {
        Self { width, count: 0, n_blocks: 0, sums: vec![0; width], products: vec![0; triangle(width)] }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds at most [`BLOCK`] samples.
    ///
    /// The rounding inside a block depends on which samples are in it and on their order, so sums are only comparable to
    /// the bit where the blocks are the same.
    ///
    /// # Shapes
    ///
    /// `rows`: `[samples, width]`.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the rows are not whole or too many, an activation is not finite or beyond ±32768, or there are
    /// more samples than the sums hold (2^18 blocks).
    pub fn add_block(&mut self, rows: &[f32]) -> Result<(), EvalError> {
        let n = rows.len().checked_div(self.width).unwrap_or(0);
        if n * self.width != rows.len() || n > BLOCK {
            let reason =
                format!("come as at most {BLOCK} rows of {}, got {} numbers", self.width, rows.len());
            return Err(EvalError::Setting { setting: "activations", reason });
        }
        if let Some(bad) = rows.iter().find(|x| x.is_nan() || x.abs() > LARGEST_ACTIVATION) {
            let reason = format!("must be finite and at most {LARGEST_ACTIVATION} in size, got {bad}");
            return Err(EvalError::Setting { setting: "activations", reason });
        }
        if n == 0 {
            return Ok(());
        }
        self.grow(n as u64, 1)?;
        let columns: Vec<f64> = rows.iter().map(|&x| f64::from(x)).collect();
        let columns = MatRef::from_column_major_slice(&columns, self.width, n);
        for (feature, sum) in self.sums.iter_mut().enumerate() {
            *sum += fixed(columns.row(feature).iter().sum());
        }
        strips(self.width, &mut self.products).into_par_iter().for_each(|(first, strip)| {
            let (height, width) = (columns.nrows() - first, STRIP.min(columns.nrows() - first));
            let left = columns.submatrix(first, 0, height, n);
            let mut products = Mat::<f64>::zeros(height, width);
            let right = left.submatrix(0, 0, width, n).transpose();
            // One thread for each strip, so that how sums are cut does not depend on the number of threads.
            matmul(products.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
            let mut rest = strip;
            for column in 0..width {
                let (sums, others) = rest.split_at_mut(height - column);
                let added = products.col(column).iter().skip(column);
                sums.iter_mut().zip(added).for_each(|(sum, &product)| *sum += fixed(product));
                rest = others;
            }
        });
        Ok(())
    }

    /// Adds the moments of other samples.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the widths differ or there are more samples than the sums hold.
    pub fn merge(&mut self, other: &Self) -> Result<(), EvalError> {
        if self.width != other.width {
            let reason = format!("have {} features here and {} there", self.width, other.width);
            return Err(EvalError::Setting { setting: "moments", reason });
        }
        self.grow(other.count, other.n_blocks)?;
        let add = |to: &mut [i128], from: &[i128]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.sums, &other.sums);
        add(&mut self.products, &other.products);
        Ok(())
    }

    /// Mean and covariance.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] with fewer than two samples.
    pub fn statistics(&self, divisor: Divisor) -> Result<Statistics, EvalError> {
        if self.count < 2 {
            let reason = format!("take at least 2 images, got {}", self.count);
            return Err(EvalError::Setting { setting: "statistics", reason });
        }
        let n = self.count as f64;
        let sums: Vec<f64> = self.sums.iter().map(|&sum| float(sum)).collect();
        let divide_by = divisor.of(n);
        let mut covariance = vec![0.0; self.width * self.width];
        let mut products = self.products.iter();
        for column in 0..self.width {
            for row in column..self.width {
                let product = float(*products.next().expect("one for each pair"));
                let value = (product - sums[row] * sums[column] / n) / divide_by;
                // No variance is negative; that of a feature that never changes is rounding alone.
                let value = if row == column { value.max(0.0) } else { value };
                covariance[row * self.width + column] = value;
                covariance[column * self.width + row] = value;
            }
        }
        let mean = sums.iter().map(|sum| sum / n).collect();
        Statistics::new(mean, covariance, Some(self.count))
    }

    fn grow(&mut self, samples: u64, blocks: u64) -> Result<(), EvalError> {
        let n_blocks = self.n_blocks.saturating_add(blocks);
        if n_blocks > MOST_ADDENDS {
            let reason = format!("are sums over at most {MOST_ADDENDS} blocks of images");
            return Err(EvalError::Setting { setting: "moments", reason });
        }
        self.n_blocks = n_blocks;
        self.count += samples;
        Ok(())
    }
}

/// Numbers in the lower triangle of a square matrix, its diagonal included.
pub(super) fn triangle(width: usize) -> usize {
    width * (width + 1) / 2
}

/// Cuts a lower triangle into strips of whole columns, each with the number of its first.
fn strips(width: usize, mut triangle: &mut [i128]) -> Vec<(usize, &mut [i128])> {
    let mut strips = Vec::with_capacity(width.div_ceil(STRIP));
    for first in (0..width).step_by(STRIP) {
        let n_columns = STRIP.min(width - first);
        let n_values = (first..first + n_columns).map(|column| width - column).sum();
        let (strip, rest) = std::mem::take(&mut triangle).split_at_mut(n_values);
        strips.push((first, strip));
        triangle = rest;
    }
    strips
}
