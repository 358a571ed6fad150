//! Matrices packed as tiles of bf16.

#![allow(unsafe_code, reason = "tiles are filled in parallel, each by one task")]

use super::memory::{Shared, filled};
use crate::loops::{TileJob, TileLoops};
use crate::simd::Line;

/// Numbers of the depth of a tile.
const DEPTH: usize = 32;
/// Columns of two tiles.
const WIDE: usize = 32;
/// Lines of a tile.
const LINES: usize = 16;

/// A matrix `[taps, depth, columns]` rounded to bf16, in the order in which products read it: for each 32 columns, for each
/// 32 numbers of the depth, for each tap, two tiles of 16 columns. What is beyond depth and columns is zero.
#[derive(Debug)]
pub(crate) struct TileMatrix {
    lines: Vec<Line>,
    pub taps: usize,
    pub depth: usize,
    pub columns: usize,
}

impl TileMatrix {
    /// Packs a matrix `[taps, depth, columns]`.
    pub(crate) fn from_rows(loops: &TileLoops, matrix: &[f32], [taps, depth, columns]: [usize; 3]) -> Self {
        assert_eq!(matrix.len(), taps * depth * columns);
        Self::pack([taps, depth, columns], |tap, row, column, target| {
            let job = TileJob {
                source: matrix[(tap * depth + row) * columns + column.min(columns - 1)..].as_ptr(),
                stride: columns,
                rows: (depth - row).min(DEPTH),
                columns: columns.saturating_sub(column).min(16),
                target,
            };
            // SAFETY: the rows and columns that exist are those of the matrix, and the target is a tile.
            unsafe { (loops.pack_rows)(&job) }
        })
    }

    /// Packs the transpose of each tap of a matrix `[taps, columns, depth]`, the last tap first.
    pub(crate) fn turned(loops: &TileLoops, matrix: &[f32], [taps, depth, columns]: [usize; 3]) -> Self {
        assert_eq!(matrix.len(), taps * depth * columns);
        Self::pack([taps, depth, columns], |tap, row, column, target| {
            let source = (taps - 1 - tap) * columns + column.min(columns - 1);
            let job = TileJob {
                source: matrix[source * depth + row..].as_ptr(),
                stride: depth,
                rows: columns.saturating_sub(column).min(16),
                columns: (depth - row).min(DEPTH),
                target,
            };
            // SAFETY: the rows and columns that exist are those of the matrix, and the target is a tile.
            unsafe { (loops.pack_columns)(&job) }
        })
    }

    /// Fills each tile by `fill(tap, first of the depth, first column, tile)`.
    fn pack(
        [taps, depth, columns]: [usize; 3],
        fill: impl Fn(usize, usize, usize, *mut Line) + Sync,
    ) -> Self {
        let (blocks, wide) = (depth.div_ceil(DEPTH), columns.div_ceil(WIDE));
        let per_task = taps * 2 * LINES;
        let task = |task: usize, shared: Shared<Line>| {
            let (first_column, row) = (task / blocks * WIDE, task % blocks * DEPTH);
            for tile in 0..2 * taps {
                let column = first_column + tile % 2 * (WIDE / 2);
                // SAFETY: each task has the tiles of all taps of a block of its own.
                fill(tile / 2, row, column, unsafe { shared.pointer(task * per_task + tile * LINES) });
            }
        };
        // SAFETY: the tasks are all blocks, and each writes all lines of its tiles.
        let lines = unsafe { filled(wide * blocks * per_task, wide * blocks, task) };
        Self { lines, taps, depth, columns }
    }

    /// Blocks of 32 numbers of the depth.
    pub(crate) fn blocks(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }

    /// Steps of a product: blocks of the depth, and in each of them taps.
    pub(crate) fn steps(&self) -> usize {
        self.blocks() * self.taps
    }

    /// Groups of 32 columns.
    pub(crate) fn wide(&self) -> usize {
        self.columns.div_ceil(WIDE)
    }

    /// The tiles of a group of columns, two for each step.
    pub(crate) fn group(&self, index: usize) -> &[Line] {
        let length = self.steps() * 2 * LINES;
        &self.lines[index * length..][..length]
    }
}
