//! Products of rows that lie one after the other with a matrix: linear layers and 1x1 convolutions.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loop from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::norm::Source;
use crate::blocking::{
    Epilogue, PairPanels, Panels, SMALL, Shared, as_pairs, filled, spread, threads, with_scratch,
};
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
        let rows = &images.values[start * depth..][..count * depth];
        with_scratch(count * spread(depth), |left| {
            let left = Left::new(kernels, source, image, rows, matrix, left);
            let product = |target: Target| match matrix {
                Matrix::Full(panels) => multiply(kernels, &left, panels, &range, target, count),
                Matrix::Pairs(panels) => multiply_pairs(kernels, &left, panels, &range, target, count),
            };
            if cut.parts == 1 && kernels.padded(columns) == columns {
                // SAFETY: the rows are whole, and no other task has any of them.
                let values = unsafe { shared.slice(start * columns, count * columns) };
                product(Target { values, stride: columns });
                if !epilogue.is_none() {
                    for (row, sums) in values.chunks_exact_mut(columns).enumerate() {
                        epilogue.apply(image, columns, (start + row) * columns, sums);
                    }
                }
                return;
            }
            let stride = spread(range.len() + kernels.panel());
            with_scratch(count * stride, |values| {
                product(Target { values, stride });
                for (row, sums) in values.chunks_exact(stride).enumerate() {
                    let at = (start + row) * columns + range.start;
                    // SAFETY: no other task has both this row and these columns.
                    let target = unsafe { shared.slice(at, range.len()) };
                    target.copy_from_slice(&sums[..range.len()]);
                    epilogue.apply(image, columns, at, target);
                }
            });
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

/// The rows of a task as a product reads them: numbers, or pairs of numbers of type bf16, which take the place of one each.
struct Left<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Left<'a> {
    /// `rows` of an image with what is done to them on the way, in `scratch`, which is [`spread`]; where nothing is done they are
    /// read where they lie.
    fn new(
        kernels: &Kernels,
        source: &Source,
        image: usize,
        rows: &'a [f32],
        matrix: Matrix,
        scratch: &'a mut [f32],
    ) -> Self {
        let [depth, _] = matrix.size();
        let plain = source.prologue.is_none();
        let stride = match matrix {
            Matrix::Full(_) => spread(depth),
            Matrix::Pairs(_) => spread(depth.div_ceil(2)),
        };
        match matrix {
            // Longer rows would fall into the same few sets of the first-level cache.
            Matrix::Full(_) if plain && depth <= 128 => return Self { values: rows, stride: depth },
            Matrix::Full(_) => {
                for (row, target) in rows.chunks_exact(depth.max(1)).zip(scratch.chunks_exact_mut(stride)) {
                    source.read(image, row, &mut target[..depth]);
                }
            }
            Matrix::Pairs(_) => with_scratch(depth, |seen| {
                for (row, target) in rows.chunks_exact(depth.max(1)).zip(scratch.chunks_exact_mut(stride)) {
                    let row = if plain {
                        row
                    } else {
                        source.read(image, row, seen);
                        &*seen
                    };
                    kernels.round_row(row, as_pairs(target));
                }
            }),
        }
        Self { values: scratch, stride }
    }
}

/// Rows times a matrix for use inside a task: `rows` and `target` are of as many rows, each of its own stride, those of the target
/// with room for whole panels.
pub(super) fn rows_times(
    kernels: &Kernels,
    [rows, target]: [&mut [f32]; 2],
    [stride, target_stride]: [usize; 2],
    matrix: Matrix,
) {
    let [depth, columns] = matrix.size();
    let count = rows.len() / stride;
    let target = Target { values: target, stride: target_stride };
    match matrix {
        Matrix::Full(panels) => {
            multiply(kernels, &Left { values: rows, stride }, panels, &(0..columns), target, count);
        }
        Matrix::Pairs(panels) => {
            let pairs = spread(depth.div_ceil(2));
            with_scratch(count * pairs, |scratch| {
                for (row, scratch) in rows.chunks_exact(stride).zip(scratch.chunks_exact_mut(pairs)) {
                    kernels.round_row(&row[..depth], as_pairs(scratch));
                }
                let left = Left { values: scratch, stride: pairs };
                multiply_pairs(kernels, &left, panels, &(0..columns), target, count);
            });
        }
    }
}

/// Where the products of a task go; rows have room for whole panels.
struct Target<'a> {
    values: &'a mut [f32],
    stride: usize,
}

/// `count` rows times some columns of the matrix.
fn multiply(
    kernels: &Kernels,
    left: &Left,
    panels: &Panels,
    range: &Range<usize>,
    target: Target,
    count: usize,
) {
    let Panels { depth, columns, .. } = *panels;
    check(kernels, left, depth, range, &target, count);
    assert!(range.end <= columns);
    for k in (0..depth.max(1)).step_by(pass(depth)) {
        for column in range.clone().step_by(kernels.panel()) {
            let width = kernels.panel_at(column, columns);
            let panel = &panels.values[column * depth + k * width..];
            // SAFETY: both sides hold `count` rows, of which those of the target have room for whole panels, as was checked, and
            // a panel has `width` numbers for each of the inputs that are left behind `k`.
            unsafe {
                let job = Product {
                    left: left.values.as_ptr().add(k),
                    left_stride: left.stride,
                    panel: panel.as_ptr(),
                    depth: pass(depth).min(depth - k),
                    target: target.values.as_mut_ptr().add(column - range.start),
                    target_stride: target.stride,
                    rows: count,
                    accumulate: k > 0,
                };
                kernels.product(false, width, &job);
            }
        }
    }
}

/// As [`multiply`], with rows and matrix in bf16.
fn multiply_pairs(
    kernels: &Kernels,
    left: &Left,
    panels: &PairPanels,
    range: &Range<usize>,
    target: Target,
    count: usize,
) {
    let (depth, columns) = (panels.depth.div_ceil(2), panels.columns);
    check(kernels, left, depth, range, &target, count);
    assert!(range.end <= columns);
    for k in (0..depth.max(1)).step_by(pass(depth)) {
        for column in range.clone().step_by(kernels.panel()) {
            let width = kernels.panel_at(column, columns);
            let panel = &panels.values[column * depth + k * width..];
            // SAFETY: as in `multiply`, with pairs for numbers.
            unsafe {
                let job = PairProduct {
                    left: left.values.as_ptr().cast::<u32>().add(k),
                    left_stride: left.stride,
                    panel: panel.as_ptr(),
                    depth: pass(depth).min(depth - k),
                    target: target.values.as_mut_ptr().add(column - range.start),
                    target_stride: target.stride,
                    rows: count,
                    accumulate: k > 0,
                };
                kernels.pair_product(false, width, &job);
            }
        }
    }
}

/// Panics unless `count` rows of either side lie in its slice, those of the target with room for the panels of the columns.
fn check(
    kernels: &Kernels,
    left: &Left,
    depth: usize,
    columns: &Range<usize>,
    target: &Target,
    count: usize,
) {
    let before_last = count.saturating_sub(1);
    assert!(left.values.len() >= before_last * left.stride + depth && left.stride >= depth);
    let wide = kernels.padded(columns.len());
    assert!(target.values.len() >= before_last * target.stride + wide && target.stride >= wide);
}
