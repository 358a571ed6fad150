//! Matrices on their way into tiles of pairs of rows, and out of tiles.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use crate::simd::{Line, Lines};

/// A part of a matrix to be packed as one tile: 16 lines, each of pairs of 16 columns of two neighbouring rows.
pub(crate) struct TileJob {
    /// The first number of the tile's first row; rows are `stride` apart.
    pub source: *const f32,
    pub stride: usize,
    /// Rows that exist, of 32; beyond there are zeros.
    pub rows: usize,
    /// Columns that exist, of 16.
    pub columns: usize,
    /// 16 lines.
    pub target: *mut Line,
}

/// Packs a tile of a matrix.
///
/// # Safety
///
/// The machine has the instructions of `S`, and the pointers of the job are valid for what its documentation says is read or
/// written.
#[inline(always)]
pub(super) unsafe fn pack_rows<S: Lines>(job: &TileJob) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = |row: usize| {
            if row >= job.rows || job.columns == 0 {
                S::splat(0.0)
            } else if job.columns >= 16 {
                S::load(job.source.add(row * job.stride))
            } else {
                S::load_first(job.source.add(row * job.stride), job.columns)
            }
        };
        for pair in 0..16 {
            S::store_line(job.target.add(pair), S::paired(row(2 * pair), row(2 * pair + 1)));
        }
    }
}

/// Packs a tile of a transposed matrix: `rows` are the columns of the tile, 16 of them, `columns` its rows, 32.
///
/// # Safety
///
/// As [`pack_rows`].
#[inline(always)]
pub(super) unsafe fn pack_columns<S: Lines>(job: &TileJob) {
    // SAFETY: the caller's promise.
    unsafe {
        let half = |row: usize, first: usize| {
            let valid = job.columns.saturating_sub(first).min(16);
            if row >= job.rows || valid == 0 {
                S::splat(0.0)
            } else if valid == 16 {
                S::load(job.source.add(row * job.stride + first))
            } else {
                S::load_first(job.source.add(row * job.stride + first), valid)
            }
        };
        let lines = std::array::from_fn(|row| S::joined(half(row, 0), half(row, 16)));
        for (pair, line) in S::transposed(lines).into_iter().enumerate() {
            S::store_line(job.target.add(pair), line);
        }
    }
}

/// Packs a tile of a matrix with its columns as lines: each of 16 columns becomes a line of up to 32 rows.
///
/// # Safety
///
/// As [`pack_rows`].
#[inline(always)]
pub(super) unsafe fn pack_as_lines<S: Lines>(job: &TileJob) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = |row: usize| {
            if row >= job.rows || job.columns == 0 {
                S::splat(0.0)
            } else if job.columns >= 16 {
                S::load(job.source.add(row * job.stride))
            } else {
                S::load_first(job.source.add(row * job.stride), job.columns)
            }
        };
        let lines = std::array::from_fn(|pair| S::paired(row(2 * pair), row(2 * pair + 1)));
        for (column, line) in S::transposed(lines).into_iter().enumerate() {
            S::store_line(job.target.add(column), line);
        }
    }
}

/// Lines of pixels to be made pairs of neighbours, as the right side of an [`OuterProduct`](super::OuterProduct) has them.
pub(crate) struct PairJob {
    /// Lines of 32 channels, one a pixel, two for each pair.
    pub source: *const Line,
    pub pairs: usize,
    /// Lines of pairs: of the channels that [`Lines::interleaved`] has in its first and in its second.
    pub targets: [*mut Line; 2],
}

/// Runs a [`PairJob`].
///
/// # Safety
///
/// As [`pack_rows`].
#[inline(always)]
pub(super) unsafe fn pair_pixels<S: Lines>(job: &PairJob) {
    for pair in 0..job.pairs {
        // SAFETY: the caller's promise.
        unsafe {
            let [first, second] = [0, 1].map(|pixel| S::load_line(job.source.add(2 * pair + pixel)));
            let lines = S::interleaved(first, second);
            for (target, line) in job.targets.into_iter().zip(lines) {
                S::store_line(target.add(pair), line);
            }
        }
    }
}

/// The channel, of 32, of a column of the tiles that [`pair_pixels`] makes: of the first tile or of the second.
fn channel(tile: usize, column: usize) -> usize {
    column / 4 * 8 + tile * 4 + column % 4
}

/// Sums of an [`OuterProduct`](super::OuterProduct) to be written where they belong.
pub(crate) struct UnpackJob {
    /// `[32 outputs][32 inputs]`, the inputs in the order of the tiles.
    pub sums: *const f32,
    /// The first input's first output; an input's outputs lie one after the other, inputs are `stride` apart.
    pub target: *mut f32,
    pub stride: usize,
    /// Inputs and outputs that exist, of 32.
    pub inputs: usize,
    pub outputs: usize,
}

/// Runs an [`UnpackJob`].
///
/// # Safety
///
/// As [`pack_rows`].
#[inline(always)]
pub(super) unsafe fn unpack_sums<S: Lines>(job: &UnpackJob) {
    for tile in 0..2 {
        for part in 0..job.outputs.div_ceil(16) {
            let valid = (job.outputs - part * 16).min(16);
            // SAFETY: the caller's promise.
            unsafe {
                let rows = std::array::from_fn(|row| {
                    S::line_of(S::load(job.sums.add((part * 16 + row) * 32 + tile * 16)))
                });
                for (column, line) in S::transposed(rows).into_iter().enumerate() {
                    let input = channel(tile, column);
                    if input < job.inputs {
                        let target = job.target.add(input * job.stride + part * 16);
                        if valid == 16 {
                            S::store(target, S::vector_of(line));
                        } else {
                            S::store_first(target, S::vector_of(line), valid);
                        }
                    }
                }
            }
        }
    }
}
