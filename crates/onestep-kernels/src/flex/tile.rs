//! The inner loops that all products are made of.
//!
//! All hold a tile of the result in registers: [`gather`] for products of gathered rows with packed columns (convolution, its
//! data gradient, attention), [`product`] and [`pair_product`] for rows in memory (Winograd's method, 1x1 convolutions, linear
//! layers), [`outer`] for sums of outer products over pixels (weight gradients). Each element of a result is one chain of
//! multiply-adds in a fixed order, whatever tile it falls in.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use super::simd::Simd;

/// Marks a tap that falls outside the image.
pub(crate) const OUTSIDE: u32 = u32::MAX;

/// An offset within one image as stored in tables.
pub(crate) fn index(offset: usize) -> u32 {
    let index = u32::try_from(offset).unwrap_or(OUTSIDE);
    assert!(index != OUTSIDE, "an image of more than four thousand million numbers");
    index
}

/// One panel of columns times a run of rows that are gathered from an image tap by tap.
///
/// result\[row\]\[column\] = factor · (Σ over taps t and k < depth of image\[offsets\[t\]\[row\] + k\] · panel\[t\]\[k\]\[column\]
/// + bias\[column\] + residual\[row\]\[column\]), cut off at the bounds
pub(crate) struct Gather {
    pub image: *const f32,
    /// `depth` zeros, read for taps outside the image.
    pub zeros: *const f32,
    /// `[taps][offset_stride]`, starting at the first row of the run; a multiple of [`super::kernels::Kernels::rows`] rows may be read.
    pub offsets: *const u32,
    pub offset_stride: usize,
    pub taps: usize,
    pub depth: usize,
    /// `[taps][depth][width of the panel]`
    pub panel: *const f32,
    /// One value per column, or null.
    pub bias: *const f32,
    /// Where the first column of row r goes: `target + targets[r]`, or `target + r * target_stride` if `targets` is null.
    pub target: *mut f32,
    pub targets: *const u32,
    pub target_stride: usize,
    /// Like the target, added to the result, or null.
    pub residual: *const f32,
    /// Multiplies everything.
    pub factor: f32,
    /// The smallest and the largest value of a result; NaN stays.
    pub bounds: [f32; 2],
    pub rows: usize,
    /// Columns of the panel that exist; the rest is padding.
    pub columns: usize,
}

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
    /// Rows of pairs, `left_stride` pairs apart.
    pub left: *const u32,
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

#[inline(always)]
pub(super) unsafe fn gather<S: Simd, const R: usize, const V: usize>(job: &Gather) {
    unsafe {
        let width = V * S::LANES;
        let factor = S::splat(job.factor);
        let [low, high] = job.bounds.map(|bound| S::splat(bound));
        let mut bias = [S::splat(0.0); V];
        if !job.bias.is_null() {
            for (v, bias) in bias.iter_mut().enumerate() {
                let valid = job.columns.saturating_sub(v * S::LANES).min(S::LANES);
                *bias = S::load_first(job.bias.add(v * S::LANES), valid);
            }
        }
        let mut row = 0;
        while row < job.rows {
            let mut tile = [[S::splat(0.0); V]; R];
            for tap in 0..job.taps {
                let offsets =
                    job.offsets.add(tap * job.offset_stride + row).cast::<[u32; R]>().read_unaligned();
                if offsets == [OUTSIDE; R] {
                    continue;
                }
                let sources = offsets.map(|offset| match offset {
                    OUTSIDE => job.zeros,
                    offset => job.image.add(offset as usize),
                });
                let mut panel = job.panel.add(tap * job.depth * width);
                for k in 0..job.depth {
                    let columns: [S::Vector; V] = std::array::from_fn(|v| S::load(panel.add(v * S::LANES)));
                    for (sums, source) in tile.iter_mut().zip(sources) {
                        let value = S::splat(*source.add(k));
                        for (sum, column) in sums.iter_mut().zip(columns) {
                            *sum = S::mul_add(value, column, *sum);
                        }
                    }
                    panel = panel.add(width);
                }
            }
            let height = R.min(job.rows - row);
            for (r, vectors) in tile.iter().enumerate().take(height) {
                let at = if job.targets.is_null() {
                    (row + r) * job.target_stride
                } else {
                    *job.targets.add(row + r) as usize
                };
                for v in 0..V {
                    let (at, valid) = (at + v * S::LANES, (job.columns - v * S::LANES).min(S::LANES));
                    let mut value = S::add(vectors[v], bias[v]);
                    if !job.residual.is_null() {
                        value = S::add(value, S::load_first(job.residual.add(at), valid));
                    }
                    value = S::min(high, S::max(low, S::mul(value, factor)));
                    if valid == S::LANES {
                        S::store(job.target.add(at), value);
                    } else {
                        S::store_first(job.target.add(at), value, valid);
                    }
                }
            }
            row += R;
        }
    }
}

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

#[inline(always)]
pub(super) unsafe fn pair_product<S: Simd, const R: usize, const V: usize>(job: &PairProduct) {
    unsafe {
        let mut row = 0;
        while row + R <= job.rows {
            pair_product_rows::<S, R, V>(job, row);
            row += R;
        }
        while row + 2 <= job.rows {
            pair_product_rows::<S, 2, V>(job, row);
            row += 2;
        }
        if row < job.rows {
            pair_product_rows::<S, 1, V>(job, row);
        }
    }
}

#[inline(always)]
unsafe fn pair_product_rows<S: Simd, const R: usize, const V: usize>(job: &PairProduct, row: usize) {
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
        let left = job.left.add(row * job.left_stride);
        let mut panel = job.panel;
        for k in 0..job.depth {
            let columns: [S::Pairs; V] = std::array::from_fn(|v| S::load_pairs(panel.add(v * S::LANES)));
            for (r, sums) in tile.iter_mut().enumerate() {
                let pair = S::splat_pair(left.add(r * job.left_stride + k));
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
