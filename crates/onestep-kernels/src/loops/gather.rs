//! Products of gathered rows with packed columns: convolutions, their data gradients, attention.
//!
//! A tile of the result is held in registers. Each element is one chain of multiply-adds in a fixed order, whatever tile it
//! falls in.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use crate::simd::Simd;

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
    /// `[taps][offset_stride]`, starting at the first row of the run; what is read is rounded up to the rows that the loop
    /// computes at once.
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

/// Runs a [`Gather`], `R` rows and `V` vectors of columns at a time.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read
/// or written.
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
