//! Products of rows that lie one after the other with a matrix: linear layers and 1x1 convolutions.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loop from checked slices, in buffers of its own"
)]

use super::elementwise::{cut_off, vectorised};
use super::kernels::Kernels;
use super::memory::{SMALL, Shared, filled, with_scratch};
use super::norm_act::Prologue;
use super::pairs::PairPanels;
use super::panels::Panels;
use super::product::Epilogue;
use super::threads::threads;
use super::tile::{PairProduct, Product};
use super::winograd::spread;

/// Rows, in images of equal size.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[images, rows, depth]`
    pub values: &'a [f32],
    pub images: usize,
    /// Rows of one image.
    pub rows: usize,
    /// What is done to a row before the product.
    pub prologue: Option<Prologue<'a>>,
}

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
pub(crate) enum Matrix<'a> {
    Full(&'a Panels),
    /// Rounded to bf16, as the rows will be.
    Pairs(&'a PairPanels),
}

/// All rows times the matrix, with their epilogue: `[images, rows, columns]`.
pub(crate) fn dense(kernels: &Kernels, rows: &Rows, matrix: Matrix, epilogue: &Epilogue) -> Vec<f32> {
    let (depth, columns) = match matrix {
        Matrix::Full(panels) => (panels.depth, panels.columns),
        Matrix::Pairs(panels) => (panels.depth, panels.columns),
    };
    let length = rows.images * rows.rows * columns;
    assert_eq!(rows.values.len(), rows.images * rows.rows * depth);
    epilogue.check(rows.images, length, columns);
    if length == 0 {
        return Vec::new();
    }
    let runs = rows.rows.div_ceil(RUN);
    let run = rows.rows.div_ceil(runs);
    let n_panels = columns.div_ceil(kernels.panel());
    // Few rows: the panels are shared out instead. No bit of the result depends on it.
    let parts = (2 * threads()).div_ceil(runs * rows.images).min(n_panels);
    let parts = if length * depth < 4 * SMALL { 1 } else { parts };
    let per_part = n_panels.div_ceil(parts) * kernels.panel();
    let parts = columns.div_ceil(per_part);

    let task = |task: usize, shared: Shared| {
        let (part, image, first) = (task % parts, task / parts / runs, task / parts % runs * run);
        let count = run.min(rows.rows - first);
        let range = part * per_part..((part + 1) * per_part).min(columns);
        let start = image * rows.rows + first;
        let (left_row, right_row) = (spread(depth), spread(range.len() + kernels.panel()));
        with_scratch(count * (left_row + right_row), |scratch| {
            let (left, right) = scratch.split_at_mut(count * left_row);
            let source = &rows.values[start * depth..][..count * depth];
            for (source, left) in source.chunks_exact(depth.max(1)).zip(left.chunks_exact_mut(left_row)) {
                match &rows.prologue {
                    Some(prologue) => prologue.apply(image, source, &mut left[..depth]),
                    None => left[..depth].copy_from_slice(source),
                }
            }
            let (target, target_stride) = (right.as_mut_ptr(), right_row);
            match matrix {
                Matrix::Full(panels) => {
                    for k in (0..depth.max(1)).step_by(pass(depth)) {
                        for column in range.clone().step_by(kernels.panel()) {
                            let width = kernels.panel_at(column, columns);
                            // SAFETY: the buffers hold `count` rows, those of the products up to the end of the last panel.
                            unsafe {
                                let job = Product {
                                    left: left.as_ptr().add(k),
                                    left_stride: left_row,
                                    panel: panels.values.as_ptr().add(column * depth + k * width),
                                    depth: pass(depth).min(depth - k),
                                    target: target.add(column - range.start),
                                    target_stride,
                                    rows: count,
                                    accumulate: k > 0,
                                };
                                kernels.product(false, width, &job);
                            }
                        }
                    }
                }
                Matrix::Pairs(panels) => {
                    let depth = depth.div_ceil(2);
                    for row in left.chunks_exact_mut(left_row) {
                        round_in_place(kernels, &mut row[..panels.depth]);
                    }
                    for k in (0..depth.max(1)).step_by(pass(depth)) {
                        for column in range.clone().step_by(kernels.panel()) {
                            let width = kernels.panel_at(column, columns);
                            // SAFETY: as above; the pairs of a row take half of its place.
                            unsafe {
                                let job = PairProduct {
                                    left: left.as_ptr().cast::<u32>().add(k),
                                    left_stride: left_row,
                                    panel: panels.values.as_ptr().add(column * depth + k * width),
                                    depth: pass(depth).min(depth - k),
                                    target: target.add(column - range.start),
                                    target_stride,
                                    rows: count,
                                    accumulate: k > 0,
                                };
                                kernels.pair_product(width, &job);
                            }
                        }
                    }
                }
            }
            for (row, sums) in right.chunks_exact(right_row).enumerate() {
                let at = (start + row) * columns + range.start;
                // SAFETY: these columns of this row belong to the task.
                let target = unsafe { shared.slice(at, range.len()) };
                finish(&sums[..range.len()], epilogue, image, columns, at, target);
            }
        });
    };
    // SAFETY: runs and parts cover the result.
    unsafe {
        let tasks = rows.images * runs * parts;
        if length * depth < 4 * SMALL {
            filled(length, 1, |_, shared| (0..tasks).for_each(|index| task(index, shared)))
        } else {
            filled(length, tasks, task)
        }
    }
}

/// Turns a row of numbers into its pairs, which lie in the first half of it then.
fn round_in_place(kernels: &Kernels, row: &mut [f32]) {
    with_scratch(row.len(), |copy| {
        copy.copy_from_slice(row);
        // SAFETY: f32 and u32 have one size and alignment, and every bit pattern is good for both.
        let pairs = unsafe { std::slice::from_raw_parts_mut(row.as_mut_ptr().cast::<u32>(), row.len()) };
        kernels.round_row(copy, pairs);
    });
}

/// Applies the epilogue to a piece of a row of the result, which begins at `at`.
fn finish(sums: &[f32], epilogue: &Epilogue, image: usize, columns: usize, at: usize, target: &mut [f32]) {
    let piece = at % columns..at % columns + sums.len();
    let bias = epilogue.bias.map(|bias| {
        let first = if bias.len() == columns { 0 } else { image * columns };
        &bias[first..first + columns][piece]
    });
    let residual = epilogue.residual.map(|residual| &residual[at..at + sums.len()]);
    match (bias, residual) {
        (None, None) => scale(sums, epilogue.factor, epilogue.bounds, target),
        (Some(bias), None) => add_scale(sums, bias, epilogue.factor, epilogue.bounds, target),
        (None, Some(residual)) => add_scale(sums, residual, epilogue.factor, epilogue.bounds, target),
        (Some(bias), Some(residual)) => {
            add_both_scale(sums, [bias, residual], epilogue.factor, epilogue.bounds, target)
        }
    }
}

vectorised! {
    fn scale(sums: &[f32], factor: f32, bounds: [f32; 2], target: &mut [f32]) {
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = cut_off(sum * factor, bounds);
        }
    }
}

vectorised! {
    fn add_scale(sums: &[f32], bias: &[f32], factor: f32, bounds: [f32; 2], target: &mut [f32]) {
        for ((target, sum), bias) in target.iter_mut().zip(sums).zip(bias) {
            *target = cut_off((sum + bias) * factor, bounds);
        }
    }
}

vectorised! {
    fn add_both_scale(sums: &[f32], added: [&[f32]; 2], factor: f32, bounds: [f32; 2], target: &mut [f32]) {
        let added = added[0].iter().zip(added[1]);
        for ((target, sum), (bias, residual)) in target.iter_mut().zip(sums).zip(added) {
            *target = cut_off((sum + bias + residual) * factor, bounds);
        }
    }
}
