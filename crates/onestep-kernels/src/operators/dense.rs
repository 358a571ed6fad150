//! Products of rows that lie one after the other with a matrix: linear layers and 1x1 convolutions.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loop from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::norm::Source;
use crate::blocking::{Epilogue, PairPanels, Panels, SMALL, Shared, filled, spread, threads, with_scratch};
use crate::loops::{Kernels, PairProduct, Product};

/// Rows of a task at most: they and their products stay in the second-level cache while the panels pass by.
const RUN: usize = 64;
/// Inputs of a pass at most: so much of a panel stays in the first-level cache.
const DEPTH: usize = 256;

/// Inputs of a pass: as few passes as there can be, all of about one length.
fn pass(depth: usize) -> usize {
    depth.div_ceil(depth.div_ceil(DEPTH).max(1)).max(1)
}

/// The matrix, packed.
#[derive(Clone, Copy)]
pub(super) enum Matrix<'a> {
    Full(&'a Panels),
    /// Rounded to bf16, as the rows will be.
    Pairs(&'a PairPanels),
}

impl Matrix<'_> {
    /// Depth and columns.
    fn size(&self) -> [usize; 2] {
        match self {
            Self::Full(panels) => [panels.depth, panels.columns],
            Self::Pairs(panels) => [panels.depth, panels.columns],
        }
    }
}

/// How the result is cut into tasks; no bit of it depends on it.
struct Cut {
    /// Rows of a task at most.
    run: usize,
    /// Runs of an image.
    runs: usize,
    /// Columns of a task at most: whole panels.
    columns: usize,
    parts: usize,
}

impl Cut {
    fn new(kernels: &Kernels, [images, rows]: [usize; 2], [depth, columns]: [usize; 2]) -> Self {
        let runs = rows.div_ceil(RUN);
        let n_panels = columns.div_ceil(kernels.panel());
        // Few rows: the panels are shared out instead.
        let parts = (2 * threads()).div_ceil(runs * images).min(n_panels);
        let parts = if is_small([images * rows, depth, columns]) { 1 } else { parts };
        let per_part = n_panels.div_ceil(parts) * kernels.panel();
        Self { run: rows.div_ceil(runs), runs, columns: per_part, parts: columns.div_ceil(per_part) }
    }
}

/// Whether waking other threads for a product of these rows, depth and columns costs more than it saves.
fn is_small([rows, depth, columns]: [usize; 3]) -> bool {
    rows * columns * depth < 4 * SMALL
}

/// All rows times the matrix, with their epilogue: `[batch, pixels, columns]`.
pub(super) fn dense(kernels: &Kernels, source: &Source, matrix: Matrix, epilogue: &Epilogue) -> Vec<f32> {
    let ([depth, columns], images) = (matrix.size(), &source.images);
    let length = images.batch * images.pixels * columns;
    assert_eq!(images.values.len(), images.batch * images.pixels * depth);
    epilogue.check(images.batch, length, columns);
    if length == 0 {
        return Vec::new();
    }
    let cut = Cut::new(kernels, [images.batch, images.pixels], [depth, columns]);
    let task = |task: usize, shared: Shared| {
        let (part, image) = (task % cut.parts, task / cut.parts / cut.runs);
        let first = task / cut.parts % cut.runs * cut.run;
        let count = cut.run.min(images.pixels - first);
        let range = part * cut.columns..((part + 1) * cut.columns).min(columns);
        let start = image * images.pixels + first;
        let (left_row, right_row) = (spread(depth), spread(range.len() + kernels.panel()));
        with_scratch(count * (left_row + right_row), |scratch| {
            let (left, right) = scratch.split_at_mut(count * left_row);
            let rows = &images.values[start * depth..][..count * depth];
            for (row, left) in rows.chunks_exact(depth.max(1)).zip(left.chunks_exact_mut(left_row)) {
                source.read(image, row, &mut left[..depth]);
            }
            match matrix {
                Matrix::Full(panels) => multiply(kernels, left, panels, &range, right, count),
                Matrix::Pairs(panels) => multiply_pairs(kernels, left, panels, &range, right, count),
            }
            for (row, sums) in right.chunks_exact(right_row).enumerate() {
                let at = (start + row) * columns + range.start;
                // SAFETY: no other task has both this row and these columns.
                let target = unsafe { shared.slice(at, range.len()) };
                epilogue.apply(&sums[..range.len()], image, columns, at, target);
            }
        });
    };
    let tasks = images.batch * cut.runs * cut.parts;
    // SAFETY: the tasks are all runs of rows of all images times all parts of the columns, and each writes its own whole.
    unsafe {
        if is_small([images.batch * images.pixels, depth, columns]) {
            filled(length, 1, |_, shared| (0..tasks).for_each(|index| task(index, shared)))
        } else {
            filled(length, tasks, task)
        }
    }
}

/// `count` rows of `left` times some columns of the matrix, into `right`; both are [`spread`].
fn multiply(
    kernels: &Kernels,
    left: &[f32],
    panels: &Panels,
    range: &Range<usize>,
    right: &mut [f32],
    count: usize,
) {
    let Panels { depth, columns, .. } = *panels;
    let (left_row, right_row) = (spread(depth), spread(range.len() + kernels.panel()));
    assert!(left.len() >= count * left_row && right.len() >= count * right_row && range.end <= columns);
    for k in (0..depth.max(1)).step_by(pass(depth)) {
        for column in range.clone().step_by(kernels.panel()) {
            let width = kernels.panel_at(column, columns);
            let panel = &panels.values[column * depth + k * width..];
            // SAFETY: both sides hold `count` rows, of which those on the right have a panel's width to spare, and a panel has
            // `width` numbers for each of the inputs that are left behind `k`.
            unsafe {
                let job = Product {
                    left: left.as_ptr().add(k),
                    left_stride: left_row,
                    panel: panel.as_ptr(),
                    depth: pass(depth).min(depth - k),
                    target: right.as_mut_ptr().add(column - range.start),
                    target_stride: right_row,
                    rows: count,
                    accumulate: k > 0,
                };
                kernels.product(false, width, &job);
            }
        }
    }
}

/// As [`multiply`], with the rows rounded to bf16 first, where they lie.
fn multiply_pairs(
    kernels: &Kernels,
    left: &mut [f32],
    panels: &PairPanels,
    range: &Range<usize>,
    right: &mut [f32],
    count: usize,
) {
    let (depth, columns) = (panels.depth.div_ceil(2), panels.columns);
    let (left_row, right_row) = (spread(panels.depth), spread(range.len() + kernels.panel()));
    assert!(left.len() >= count * left_row && right.len() >= count * right_row && range.end <= columns);
    for row in left.chunks_exact_mut(left_row) {
        round_in_place(kernels, &mut row[..panels.depth]);
    }
    for k in (0..depth.max(1)).step_by(pass(depth)) {
        for column in range.clone().step_by(kernels.panel()) {
            let width = kernels.panel_at(column, columns);
            let panel = &panels.values[column * depth + k * width..];
            // SAFETY: both sides hold `count` rows, of which those on the right have a panel's width to spare; the pairs of a
            // row on the left are half as many as its numbers were; and a panel has `width` pairs for each that is left behind
            // `k`.
            unsafe {
                let job = PairProduct {
                    left: left.as_ptr().cast::<u32>().add(k),
                    left_stride: left_row,
                    panel: panel.as_ptr(),
                    depth: pass(depth).min(depth - k),
                    target: right.as_mut_ptr().add(column - range.start),
                    target_stride: right_row,
                    rows: count,
                    accumulate: k > 0,
                };
                kernels.pair_product(width, &job);
            }
        }
    }
}

/// Turns a row of numbers into its pairs, which lie in the first half of it then.
fn round_in_place(kernels: &Kernels, row: &mut [f32]) {
    with_scratch(row.len(), |copy| {
        copy.copy_from_slice(row);
        // SAFETY: f32 and u32 have one size and alignment, every bit pattern is good for both, and the row is borrowed mutably.
        let pairs = unsafe { std::slice::from_raw_parts_mut(row.as_mut_ptr().cast::<u32>(), row.len()) };
        kernels.round_row(copy, pairs);
    });
}
