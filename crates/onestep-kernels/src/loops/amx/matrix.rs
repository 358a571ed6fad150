//! Matrices on their way into tiles of pairs of rows, and out of tiles.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use super::pixels::load_full;
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

/// 16 columns of a row, from `first` on; zeros for those that do not exist.
#[inline(always)]
unsafe fn row<S: Lines>(job: &TileJob, row: usize, first: usize) -> S::Vector {
    // SAFETY: the caller's promise: what exists is read and no more.
    unsafe {
        if row >= job.rows || first >= job.columns {
            return S::splat(0.0);
        }
        load_full::<S>(job.source.add(row * job.stride + first), (job.columns - first).min(16))
    }
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
        for pair in 0..16 {
            let line = S::paired(row::<S>(job, 2 * pair, 0), row::<S>(job, 2 * pair + 1, 0));
            S::store_line(job.target.add(pair), line);
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
        let mut lines = [S::line_of(S::splat(0.0)); 16];
        for (index, line) in lines.iter_mut().enumerate() {
            *line = S::joined(row::<S>(job, index, 0), row::<S>(job, index, 16));
        }
        let lines = S::transposed(lines);
        for (pair, line) in lines.into_iter().enumerate() {
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
        let mut lines = [S::line_of(S::splat(0.0)); 16];
        for (pair, line) in lines.iter_mut().enumerate() {
            *line = S::paired(row::<S>(job, 2 * pair, 0), row::<S>(job, 2 * pair + 1, 0));
        }
        let lines = S::transposed(lines);
        for (column, line) in lines.into_iter().enumerate() {
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
            let first = S::load_line(job.source.add(2 * pair));
            let second = S::load_line(job.source.add(2 * pair + 1));
            let [first, second] = S::interleaved(first, second);
            S::store_line(job.targets[0].add(pair), first);
            S::store_line(job.targets[1].add(pair), second);
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
                let mut rows = [S::line_of(S::splat(0.0)); 16];
                for (row, line) in rows.iter_mut().enumerate() {
                    *line = S::line_of(S::load(job.sums.add((part * 16 + row) * 32 + tile * 16)));
                }
                let columns = S::transposed(rows);
                for (column, line) in columns.into_iter().enumerate() {
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
