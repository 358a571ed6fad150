//! Products of rows in memory with packed columns: Winograd's method, 1x1 convolutions, linear layers.
//!
//! A tile of the result is held in registers. Each element is one chain of multiply-adds in the order of the depth, whatever
//! tile it falls in.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use crate::simd::Simd;

/// Rows times one full panel, both in memory in the order of the loop.
///
/// result\[row\]\[column\] = (previous value, or 0) + Σ over k < depth of left(row, k) · panel\[k\]\[column\]
pub(crate) struct Product {
    pub left: *const f32,
    /// Between one row and the next, or, where the left side is transposed, between one k and the next; the other step is 1.
    pub left_stride: usize,
    /// `[depth][width of the panel]`
    pub panel: *const f32,
    pub depth: usize,
    pub target: *mut f32,
    pub target_stride: usize,
    pub rows: usize,
    /// Continue from what `target` holds.
    pub accumulate: bool,
}

/// A [`Product`] of numbers of type bf16, two of the depth at a time, added up in f32.
pub(crate) struct PairProduct {
    pub left: *const u32,
    /// As in [`Product`], in pairs.
    pub left_stride: usize,
    /// `[depth][width of the panel]`, in pairs.
    pub panel: *const u32,
    /// In pairs.
    pub depth: usize,
    pub target: *mut f32,
    pub target_stride: usize,
    pub rows: usize,
    pub accumulate: bool,
}

/// Runs a [`Product`], `R` rows and `V` vectors of columns at a time, and what is left in lower tiles.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
#[inline(always)]
pub(super) unsafe fn product<S: Simd, const R: usize, const V: usize, const TRANSPOSED: bool>(job: &Product) {
    unsafe {
        let mut row = 0;
        while row + R <= job.rows {
            product_rows::<S, R, V, TRANSPOSED>(job, row);
            row += R;
        }
        if R > 4 && row + 4 <= job.rows {
            product_rows::<S, 4, V, TRANSPOSED>(job, row);
            row += 4;
        }
        if row + 2 <= job.rows {
            product_rows::<S, 2, V, TRANSPOSED>(job, row);
            row += 2;
        }
        while row < job.rows {
            product_rows::<S, 1, V, TRANSPOSED>(job, row);
            row += 1;
        }
    }
}

#[inline(always)]
unsafe fn product_rows<S: Simd, const R: usize, const V: usize, const TRANSPOSED: bool>(
    job: &Product,
    row: usize,
) {
    unsafe {
        let target = job.target.add(row * job.target_stride);
        let mut tile = [[S::splat(0.0); V]; R];
        if job.accumulate {
            for (r, sums) in tile.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(target.add(r * job.target_stride + v * S::LANES));
                }
            }
        }
        let (step_row, step_k) = if TRANSPOSED { (1, job.left_stride) } else { (job.left_stride, 1) };
        let mut left = job.left.add(row * step_row);
        let mut panel = job.panel;
        for _ in 0..job.depth {
            let columns: [S::Vector; V] = std::array::from_fn(|v| S::load(panel.add(v * S::LANES)));
            for (r, sums) in tile.iter_mut().enumerate() {
                let value = S::splat(*left.add(r * step_row));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = S::mul_add(value, column, *sum);
                }
            }
            left = left.add(step_k);
            panel = panel.add(V * S::LANES);
        }
        for (r, sums) in tile.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                S::store(target.add(r * job.target_stride + v * S::LANES), *sum);
            }
        }
    }
}

/// Runs a [`PairProduct`], as [`product`] does.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
#[inline(always)]
pub(super) unsafe fn pair_product<S: Simd, const R: usize, const V: usize, const TRANSPOSED: bool>(
    job: &PairProduct,
) {
    unsafe {
        let mut row = 0;
        while row + R <= job.rows {
            pair_product_rows::<S, R, V, TRANSPOSED>(job, row);
            row += R;
        }
        while row + 2 <= job.rows {
            pair_product_rows::<S, 2, V, TRANSPOSED>(job, row);
            row += 2;
        }
        if row < job.rows {
            pair_product_rows::<S, 1, V, TRANSPOSED>(job, row);
        }
    }
}

#[inline(always)]
unsafe fn pair_product_rows<S: Simd, const R: usize, const V: usize, const TRANSPOSED: bool>(
    job: &PairProduct,
    row: usize,
) {
    unsafe {
        let target = job.target.add(row * job.target_stride);
        let mut tile = [[S::splat(0.0); V]; R];
        if job.accumulate {
            for (r, sums) in tile.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(target.add(r * job.target_stride + v * S::LANES));
                }
            }
        }
        let (step_row, step_k) = if TRANSPOSED { (1, job.left_stride) } else { (job.left_stride, 1) };
        let left = job.left.add(row * step_row);
        let mut panel = job.panel;
        for k in 0..job.depth {
            let columns: [S::Pairs; V] = std::array::from_fn(|v| S::load_pairs(panel.add(v * S::LANES)));
            for (r, sums) in tile.iter_mut().enumerate() {
                let pair = S::splat_pair(left.add(r * step_row + k * step_k));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = S::dot(pair, column, *sum);
                }
            }
            panel = panel.add(V * S::LANES);
        }
        for (r, sums) in tile.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                S::store(target.add(r * job.target_stride + v * S::LANES), *sum);
            }
        }
    }
}
