//! Precision and recall: which samples look real, and which real images the samples reach.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::EvalError;
use super::rows::Rows;

/// Points whose distances to all others are computed together.
const STRIP: usize = 128;

/// Points that those distances are computed to at a time.
const TILE: usize = 1024;

/// Distances below this share of the points' squared lengths are lost in the rounding of their difference: they are zero.
const ROUNDING: f64 = 1e-13;

/// The share of each set that lies within the other, and two refinements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// Share of the samples that lie within the reference: fidelity.
    pub precision: f64,
    /// Share of the reference that lies within the samples: diversity.
    pub recall: f64,
    /// Mean number of reference balls that a sample lies in, divided by k; not fooled by outliers, and can exceed 1.
    pub density: f64,
    /// Share of the reference points whose ball holds a sample.
    pub coverage: f64,
    /// Neighbors that make a ball.
    pub k: usize,
}

/// A set of points with a ball around each that reaches to its k-th nearest neighbor.
#[derive(Debug, Clone)]
pub struct Manifold<'a> {
    points: Points<'a>,
    radii: Vec<f64>,
    k: usize,
}

impl<'a> Manifold<'a> {
    /// Finds the ball of every point.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] unless 1 <= k < number of points.
    pub fn new(rows: &'a Rows, k: usize) -> Result<Self, EvalError> {
        if k == 0 || k >= rows.n() {
            let reason = format!("must be from 1 to one less than the {} images, got {k}", rows.n());
            return Err(EvalError::Setting { setting: "neighbors", reason });
        }
        let points = Points::new(rows);
        let radii = points.each(&points, |index, distances| {
            // The point itself is no neighbor, and others at its place are.
            distances[index] = f64::INFINITY;
            *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1
        });
        Ok(Self { points, radii, k })
    }

    /// The squared radius of each ball.
    pub fn radii_squared(&self) -> &[f64] {
        &self.radii
    }

    /// For each of other points, in how many balls it lies.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if the widths differ.
    pub fn count_balls(&self, other: &Self) -> Result<Vec<usize>, EvalError> {
        self.points.rows.check_width(other.points.rows)?;
        Ok(self.points.each(&other.points, |_, distances| {
            distances.iter().zip(&self.radii).filter(|(distance, radius)| distance <= radius).count()
        }))
    }

    /// For each of these points, whether its ball holds any of the others.
    fn reached_by(&self, other: &Self) -> Vec<bool> {
        let nearest = other
            .points
            .each(&self.points, |_, distances| distances.iter().copied().fold(f64::INFINITY, f64::min));
        nearest.iter().zip(&self.radii).map(|(nearest, radius)| nearest <= radius).collect()
    }
}

/// Precision, recall, density and coverage of samples beside a reference.
///
/// All but coverage depend on the number of points: compare numbers of equal protocols only.
///
/// # Errors
///
/// [`EvalError::Setting`] if the widths differ, or a set has no k neighbors to each point.
///
/// # Source
///
/// Kynkäänniemi et al. 2019 (arXiv:1904.06991), eq. 1 and 2, as `ManifoldEstimator` of OpenAI's evaluator, which computes
/// distances in f16 where they stay finite; here in f64. Density and coverage: Naeem et al. 2020 (arXiv:2002.09797).
pub fn precision_recall(samples: &Rows, reference: &Rows, k: usize) -> Result<PrecisionRecall, EvalError> {
    samples.check_width(reference)?;
    let (real, made) = (Manifold::new(reference, k)?, Manifold::new(samples, k)?);
    let balls = real.count_balls(&made)?;
    let share = |n_inside: usize, n: usize| n_inside as f64 / n as f64;
    let reached = made.count_balls(&real)?;
    let covered = real.reached_by(&made);
    Ok(PrecisionRecall {
        precision: share(balls.iter().filter(|&&n| n > 0).count(), samples.n()),
        recall: share(reached.iter().filter(|&&n| n > 0).count(), reference.n()),
        density: share(balls.iter().sum(), samples.n()) / real.k as f64,
        coverage: share(covered.iter().filter(|covered| **covered).count(), reference.n()),
        k,
    })
}

/// Points with their squared lengths.
#[derive(Debug, Clone)]
struct Points<'a> {
    rows: &'a Rows,
    squares: Vec<f64>,
}

impl<'a> Points<'a> {
    fn new(rows: &'a Rows) -> Self {
        let square = |index| rows.row(index).iter().map(|&x| f64::from(x).powi(2)).sum();
        Self { rows, squares: (0..rows.n()).map(square).collect() }
    }

    /// Runs `body` over the squared distances of each of `others` to all of these points, in f64.
    ///
    /// In strips, so that memory grows with the number of points and not with its square.
    fn each<T: Send>(&self, others: &Self, body: impl Fn(usize, &mut [f64]) -> T + Sync) -> Vec<T> {
        let firsts: Vec<usize> = (0..others.rows.n()).step_by(STRIP).collect();
        let strip = |&first: &usize| {
            let last = (first + STRIP).min(others.rows.n());
            let mut distances = self.squared_distances(others, first..last);
            let columns = distances.chunks_exact_mut(self.rows.n()).enumerate();
            columns.map(|(column, distances)| body(first + column, distances)).collect::<Vec<T>>()
        };
        firsts.par_iter().map(strip).collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// `[others, points]`.
    fn squared_distances(&self, others: &Self, range: Range<usize>) -> Vec<f64> {
        let (n, width) = (self.rows.n(), self.rows.width());
        let right = others.rows.select(range.clone());
        let right = MatRef::from_column_major_slice(&right, width, range.len());
        let mut distances = vec![0.0; range.len() * n];
        let mut products = MatMut::from_column_major_slice_mut(&mut distances, n, range.len());
        for first in (0..n).step_by(TILE) {
            let last = (first + TILE).min(n);
            let left = self.rows.select(first..last);
            let left = MatRef::from_column_major_slice(&left, width, last - first);
            let tile = products.as_mut().subrows_mut(first, last - first);
            matmul(tile, Accum::Replace, left.transpose(), right, 1.0, Par::Seq);
        }
        for (distances, length) in distances.chunks_exact_mut(n).zip(&others.squares[range]) {
            for (distance, square) in distances.iter_mut().zip(&self.squares) {
                let squared = square + length - 2.0 * *distance;
                *distance = if squared <= ROUNDING * (square + length) { 0.0 } else { squared };
            }
        }
        distances
    }
}
