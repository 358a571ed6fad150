//! Matrices packed in the order in which the inner loops read them.

#![allow(unsafe_code, reason = "panels are filled in parallel, each by one task")]

use super::memory::{SMALL, Shared, filled};
use crate::loops::{Kernels, pair_panel};

/// A matrix `[depth, columns]` cut into panels of columns that the inner loop reads in order.
#[derive(Debug)]
pub(crate) struct Panels {
    pub values: Vec<f32>,
    pub depth: usize,
    pub columns: usize,
}

impl Panels {
    /// Packs a matrix stored by rows, `[depth, columns]`.
    pub(crate) fn from_rows(kernels: &Kernels, matrix: &[f32], depth: usize, columns: usize) -> Self {
        Self::pack(kernels, depth, columns, |column, width, panel| {
            pack_columns(matrix, columns, column, width, panel);
        })
    }

    /// Packs the transpose of each of `blocks` matrices stored by rows, `[blocks, columns, depth]`, one below the other.
    pub(crate) fn from_columns(
        kernels: &Kernels,
        matrix: &[f32],
        blocks: usize,
        depth: usize,
        columns: usize,
    ) -> Self {
        Self::pack(kernels, blocks * depth, columns, |column, width, panel| {
            let valid = width.min(columns - column);
            for (block, panel) in panel.chunks_exact_mut(depth * width).enumerate() {
                let rows = &matrix[(block * columns + column) * depth..][..valid * depth];
                transpose(rows, depth, panel, width);
            }
        })
    }

    fn pack(
        kernels: &Kernels,
        depth: usize,
        columns: usize,
        fill: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) -> Self {
        let starts: Vec<usize> = (0..columns).step_by(kernels.panel()).collect();
        let length = kernels.padded(columns) * depth;
        // Only the last panel can be narrower, so panel i begins at i full panels.
        let fill_one = |index: usize, shared: Shared| {
            let column = starts[index];
            let width = kernels.panel_at(column, columns);
            // SAFETY: no two panels share a column, and this one is not read before `fill` has written it.
            fill(column, width, unsafe { shared.slice(column * depth, width * depth) });
        };
        // SAFETY: the buffer is as long as all panels together, and `fill` writes all of a panel, padding included.
        let values = unsafe {
            if length < SMALL {
                filled(length, 1, |_, shared| (0..starts.len()).for_each(|index| fill_one(index, shared)))
            } else {
                filled(length, starts.len(), fill_one)
            }
        };
        Self { values, depth, columns }
    }
}

/// [`Panels`] as pairs of rows.
#[derive(Debug)]
pub(crate) struct PairPanels {
    pub values: Vec<u32>,
    pub depth: usize,
    pub columns: usize,
}

impl PairPanels {
    /// Rounds panels.
    pub(crate) fn new(kernels: &Kernels, panels: &Panels) -> Self {
        let Panels { values, depth, columns } = panels;
        let pairs = depth.div_ceil(2);
        let mut rounded = vec![0; pairs * kernels.padded(*columns)];
        for column in (0..*columns).step_by(kernels.panel()) {
            let width = kernels.panel_at(column, *columns);
            let panel = &values[column * depth..][..width * depth];
            pair_panel(panel, width, &mut rounded[column * pairs..][..width * pairs]);
        }
        Self { values: rounded, depth: *depth, columns: *columns }
    }
}

/// Writes the transpose of `rows`, `[n, depth]`, into the first n columns of `target`, `[depth, width]`, and zeros beside it.
fn transpose(rows: &[f32], depth: usize, target: &mut [f32], width: usize) {
    const BLOCK: usize = 16;
    let count = rows.len() / depth;
    for first in (0..depth).step_by(BLOCK) {
        let block = BLOCK.min(depth - first);
        for column in 0..count {
            let source = &rows[column * depth + first..][..block];
            for (k, &value) in source.iter().enumerate() {
                target[(first + k) * width + column] = value;
            }
        }
    }
    if count < width {
        target.chunks_exact_mut(width).for_each(|row| row[count..].fill(0.0));
    }
}

/// Copies `width` columns of a matrix `[_, stride]` together, with zeros beyond its last column.
pub(crate) fn pack_columns(matrix: &[f32], stride: usize, column: usize, width: usize, target: &mut [f32]) {
    let valid = width.min(stride - column);
    match valid {
        4 if width == 4 => copy_columns::<4>(matrix, stride, column, target),
        6 if width == 6 => copy_columns::<6>(matrix, stride, column, target),
        8 if width == 8 => copy_columns::<8>(matrix, stride, column, target),
        16 if width == 16 => copy_columns::<16>(matrix, stride, column, target),
        32 if width == 32 => copy_columns::<32>(matrix, stride, column, target),
        _ => {
            for (row, target) in matrix.chunks_exact(stride).zip(target.chunks_exact_mut(width)) {
                target[..valid].copy_from_slice(&row[column..column + valid]);
                target[valid..].fill(0.0);
            }
        }
    }
}

/// A width known to the compiler is a few moves instead of a call.
fn copy_columns<const W: usize>(matrix: &[f32], stride: usize, column: usize, target: &mut [f32]) {
    for (row, target) in matrix.chunks_exact(stride).zip(target.as_chunks_mut::<W>().0) {
        if let Some(source) = row[column..].first_chunk::<W>() {
            *target = *source;
        }
    }
}
