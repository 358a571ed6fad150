//! Sums of outer products over pixels: the gradients of weights.
//!
//! A tile of the result is held in registers. Each element is one chain of multiply-adds in the order of the pairs, whatever
//! tile it falls in.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use crate::simd::Simd;

/// A tile of a sum of outer products of packed rows.
///
/// result\[r\]\[column\] = (previous value, or 0) + Σ over pairs (p, q) of left\[p\]\[r\] · right\[q\]\[column\]
pub(crate) struct Outer {
    /// `[_][height of the tile]`
    pub left: *const f32,
    /// `[_][width of the panel]`
    pub right: *const f32,
    pub pairs: *const [u32; 2],
    pub n_pairs: usize,
    pub target: *mut f32,
    pub target_stride: usize,
    /// Columns of the panel that exist; the rest is padding.
    pub columns: usize,
    /// Continue from what `target` holds.
    pub accumulate: bool,
}

/// Runs an [`Outer`] of `R` rows and `V` vectors of columns.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
#[inline(always)]
pub(super) unsafe fn outer<S: Simd, const R: usize, const V: usize>(job: &Outer) {
    unsafe {
        let valid = |v: usize| job.columns.saturating_sub(v * S::LANES).min(S::LANES);
        let mut tile = [[S::splat(0.0); V]; R];
        if job.accumulate {
            for (r, vectors) in tile.iter_mut().enumerate() {
                for (v, vector) in vectors.iter_mut().enumerate() {
                    let target = job.target.add(r * job.target_stride + v * S::LANES);
                    *vector =
                        if valid(v) == S::LANES { S::load(target) } else { S::load_first(target, valid(v)) };
                }
            }
        }
        for pair in 0..job.n_pairs {
            let [left, right] = *job.pairs.add(pair);
            let left = job.left.add(left as usize * R);
            let right = job.right.add(right as usize * (V * S::LANES));
            let columns: [S::Vector; V] = std::array::from_fn(|v| S::load(right.add(v * S::LANES)));
            for (r, sums) in tile.iter_mut().enumerate() {
                let value = S::splat(*left.add(r));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = S::mul_add(value, column, *sum);
                }
            }
        }
        for (r, vectors) in tile.iter().enumerate() {
            for (v, vector) in vectors.iter().enumerate() {
                let target = job.target.add(r * job.target_stride + v * S::LANES);
                if valid(v) == S::LANES {
                    S::store(target, *vector);
                } else {
                    S::store_first(target, *vector, valid(v));
                }
            }
        }
    }
}
