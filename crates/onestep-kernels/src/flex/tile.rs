//! The two inner loops that all products are made of.
//!
//! Both hold a tile of the result in registers: [`Kernels::gather`] for products of gathered rows with packed columns
//! (convolution, its data gradient, linear layers, attention), [`Kernels::outer`] for sums of outer products over pixels
//! (weight gradients). Each element of a result is one chain of multiply-adds in a fixed order, whatever tile it falls in.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use super::simd::{Level, Portable, Simd};
use super::winograd::transforms::{
    GradientJob, InputJob, OutputJob, TapsJob, WeightJob, gradient_tiles, input_tiles, output_tiles,
    weight_factors, weight_taps,
};

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
/// + bias\[column\] + residual\[row\]\[column\])
pub(crate) struct Gather {
    pub image: *const f32,
    /// `depth` zeros, read for taps outside the image.
    pub zeros: *const f32,
    /// `[taps][offset_stride]`, starting at the first row of the run; a multiple of [`Kernels::rows`] rows may be read.
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

/// The maps of Winograd's method for one size of tile.
#[derive(Clone, Copy)]
pub(crate) struct Winograd {
    pub input: unsafe fn(&InputJob),
    pub output: unsafe fn(&OutputJob),
    pub gradient: unsafe fn(&GradientJob),
    pub factors: unsafe fn(&WeightJob),
    pub taps: unsafe fn(&TapsJob),
}

/// The inner loops of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// Rows that [`Self::gather`] computes at once; tables are padded to a multiple.
    pub rows: usize,
    pub lanes: usize,
    /// Heights of the tiles of [`Self::outer`], tallest first; the last is 1.
    pub outer_rows: [usize; 4],
    gather: [unsafe fn(&Gather); 2],
    outer: [[unsafe fn(&Outer); 4]; 2],
    product: [[unsafe fn(&Product); 2]; 2],
    winograd: [Winograd; 2],
}

impl Kernels {
    /// The loops for the best instruction set of this machine.
    pub(crate) fn best() -> Self {
        Self::of(Level::best())
    }

    pub(crate) fn of(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::KERNELS,
            Level::Portable => portable::KERNELS,
        }
    }

    /// Width of a full panel: two vectors.
    pub(crate) fn panel(&self) -> usize {
        2 * self.lanes
    }

    /// Width of the panel that begins at `column` of `columns`: two vectors, or one where that is enough.
    pub(crate) fn panel_at(&self, column: usize, columns: usize) -> usize {
        if columns - column <= self.lanes { self.lanes } else { 2 * self.lanes }
    }

    /// Runs a [`Gather`].
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written, for rows rounded up to
    /// [`Self::rows`] in `offsets`, and the panel is [`Self::panel_at`] wide.
    pub(crate) unsafe fn gather(&self, job: &Gather) {
        unsafe { self.gather[usize::from(job.columns > self.lanes)](job) }
    }

    /// Runs a [`Product`] with a panel of one or two vectors.
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written.
    pub(crate) unsafe fn product(&self, transposed: bool, width: usize, job: &Product) {
        unsafe { self.product[usize::from(transposed)][usize::from(width > self.lanes)](job) }
    }

    /// The maps for tiles of `outputs` x `outputs`, which is 2 or 4.
    pub(crate) fn winograd(&self, outputs: usize) -> &Winograd {
        &self.winograd[usize::from(outputs == 4)]
    }

    /// Runs an [`Outer`] of `self.outer_rows[height]` rows.
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written, and the panel is
    /// [`Self::panel_at`] wide.
    pub(crate) unsafe fn outer(&self, height: usize, job: &Outer) {
        unsafe { self.outer[usize::from(job.columns > self.lanes)][height](job) }
    }
}

#[inline(always)]
unsafe fn gather<S: Simd, const R: usize, const V: usize>(job: &Gather) {
    unsafe {
        let width = V * S::LANES;
        let factor = S::splat(job.factor);
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
                    value = S::mul(value, factor);
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
unsafe fn outer<S: Simd, const R: usize, const V: usize>(job: &Outer) {
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
unsafe fn product<S: Simd, const R: usize, const V: usize, const TRANSPOSED: bool>(job: &Product) {
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

macro_rules! kernels {
    ($module:ident, $simd:ty, rows: $rows:literal, outer: [$a:literal, $b:literal, $c:literal, $d:literal], $(#[$attribute:meta])*) => {
        mod $module {
            use super::*;

            $(#[$attribute])*
            unsafe fn gather_of<const V: usize>(job: &Gather) {
                unsafe { gather::<$simd, $rows, V>(job) }
            }

            $(#[$attribute])*
            unsafe fn outer_of<const R: usize, const V: usize>(job: &Outer) {
                unsafe { outer::<$simd, R, V>(job) }
            }

            $(#[$attribute])*
            unsafe fn product_of<const V: usize, const TRANSPOSED: bool>(job: &Product) {
                unsafe { product::<$simd, $rows, V, TRANSPOSED>(job) }
            }

            $(#[$attribute])*
            unsafe fn input_of<const A: usize, const M: usize>(job: &InputJob) {
                unsafe { input_tiles::<$simd, A, M>(job) }
            }

            $(#[$attribute])*
            unsafe fn output_of<const A: usize, const M: usize>(job: &OutputJob) {
                unsafe { output_tiles::<$simd, A, M>(job) }
            }

            $(#[$attribute])*
            unsafe fn gradient_of<const A: usize, const M: usize>(job: &GradientJob) {
                unsafe { gradient_tiles::<$simd, A, M>(job) }
            }

            $(#[$attribute])*
            unsafe fn factors_of<const A: usize>(job: &WeightJob) {
                unsafe { weight_factors::<$simd, A>(job) }
            }

            $(#[$attribute])*
            unsafe fn taps_of<const A: usize>(job: &TapsJob) {
                unsafe { weight_taps::<$simd, A>(job) }
            }

            const fn winograd_of<const A: usize, const M: usize>() -> Winograd {
                Winograd {
                    input: input_of::<A, M>,
                    output: output_of::<A, M>,
                    gradient: gradient_of::<A, M>,
                    factors: factors_of::<A>,
                    taps: taps_of::<A>,
                }
            }

            const fn heights<const V: usize>() -> [unsafe fn(&Outer); 4] {
                [outer_of::<$a, V>, outer_of::<$b, V>, outer_of::<$c, V>, outer_of::<$d, V>]
            }

            pub(super) const KERNELS: Kernels = Kernels {
                rows: $rows,
                lanes: <$simd as Simd>::LANES,
                outer_rows: [$a, $b, $c, $d],
                gather: [gather_of::<1>, gather_of::<2>],
                outer: [heights::<1>(), heights::<2>()],
                product: [
                    [product_of::<1, false>, product_of::<2, false>],
                    [product_of::<1, true>, product_of::<2, true>],
                ],
                winograd: [winograd_of::<4, 2>(), winograd_of::<6, 4>()],
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, rows: 8, outer: [8, 4, 2, 1], #[target_feature(enable = "avx512f")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, rows: 6, outer: [6, 4, 2, 1], #[target_feature(enable = "avx2,fma")]);
kernels!(portable, Portable, rows: 4, outer: [4, 2, 1, 1],);
