//! Products of gathered rows with a matrix, cut into tasks.

#![allow(unsafe_code, reason = "builds the jobs of the inner loop from checked slices")]

use super::epilogue::Epilogue;
use super::memory::{SMALL, Shared, filled};
use super::panels::Panels;
use crate::loops::{Gather, Kernels, OUTSIDE, Rectifier, index};

/// Where the rows of a product are read and written, for one image.
pub(crate) struct RowTable {
    /// `[taps][stride]`: where each row begins in the image, or [`OUTSIDE`].
    pub offsets: Vec<u32>,
    pub stride: usize,
    pub taps: usize,
    pub rows: usize,
    /// Where each row goes in the output, if not one after the other.
    pub targets: Option<Vec<u32>>,
}

impl RowTable {
    /// Rows one after the other, `depth` apart.
    pub(crate) fn dense(kernels: &Kernels, rows: usize, depth: usize) -> Self {
        Self::build(kernels, 1, rows, |_, row| Some(row * depth))
    }

    /// `offset(tap, row)` is where a row begins in the image, if it lies there.
    pub(crate) fn build(
        kernels: &Kernels,
        taps: usize,
        rows: usize,
        offset: impl Fn(usize, usize) -> Option<usize>,
    ) -> Self {
        let stride = rows.next_multiple_of(kernels.rows);
        let mut offsets = Vec::with_capacity(taps * stride);
        for tap in 0..taps {
            offsets.extend((0..rows).map(|row| match offset(tap, row) {
                Some(offset) => index(offset),
                None => OUTSIDE,
            }));
            offsets.resize((tap + 1) * stride, OUTSIDE);
        }
        Self { offsets, stride, taps, rows, targets: None }
    }
}

/// For each image and row: the sum over taps of gathered input times panels, and its epilogue.
///
/// `images` holds `n_images` images of equal size; the result has `table.rows` rows of `panels.columns` for each.
pub(crate) fn gathered(
    kernels: &Kernels,
    images: &[f32],
    n_images: usize,
    table: &RowTable,
    panels: &Panels,
    epilogue: &Epilogue,
) -> Vec<f32> {
    let (rows, columns, depth) = (table.rows, panels.columns, panels.depth / table.taps.max(1));
    if n_images == 0 {
        return Vec::new();
    }
    let image_size = images.len() / n_images;
    let valid = |offset: &u32| *offset == OUTSIDE || *offset as usize + depth <= image_size;
    assert!(table.offsets.iter().all(valid) && table.offsets.len() == table.taps * table.stride);
    assert!(table.targets.as_ref().is_none_or(|targets| targets.len() == rows));
    epilogue.check(n_images, rows * n_images * columns, columns);
    let zeros = vec![0.0f32; depth];

    // Enough tasks for every thread, long enough runs of rows for the panel to stay in cache.
    let run = if rows * n_images >= 2048 { 128 } else { 32 }.min(rows.max(1)).next_multiple_of(kernels.rows);
    let runs = rows.div_ceil(run);
    let n_panels = columns.div_ceil(kernels.panel());
    let split = if runs * n_images < 8 { n_panels } else { 1 };
    let tasks = runs * n_images * split;
    let work = rows * n_images * columns * panels.depth;

    let task = |task: usize, shared: Shared| {
        let (image, first, part) = (task / split / runs, task / split % runs * run, task % split);
        for panel in (0..n_panels).filter(|panel| split == 1 || *panel == part) {
            let column = panel * kernels.panel();
            let at = match &table.targets {
                Some(_) => image * rows * columns + column,
                None => (image * rows + first) * columns + column,
            };
            // SAFETY: every offset leaves room for `depth` numbers in its image, and the table is padded to whole tiles, of
            // which runs are multiples; the epilogue and the targets have the lengths of the result; and no two tasks have a
            // row and a panel in common.
            unsafe {
                kernels.gather(&Gather {
                    image: images.as_ptr().add(image * image_size),
                    zeros: zeros.as_ptr(),
                    offsets: table.offsets.as_ptr().add(first),
                    offset_stride: table.stride,
                    taps: table.taps,
                    depth,
                    panel: panels.values.as_ptr().add(column * panels.depth),
                    bias: epilogue.bias_of(image, columns, column),
                    residual: epilogue.residual_at(at),
                    factor: epilogue.factor,
                    bounds: epilogue.bounds,
                    target: shared.pointer(at),
                    targets: table
                        .targets
                        .as_ref()
                        .map_or(std::ptr::null(), |targets| targets.as_ptr().add(first)),
                    target_stride: columns,
                    rows: run.min(rows - first),
                    columns: (columns - column).min(kernels.panel()),
                });
            }
        }
    };
    // SAFETY: the tasks are all images, runs of rows and panels there are, so between them they write the whole result.
    unsafe {
        if work < 16 * SMALL {
            filled(rows * n_images * columns, 1, |_, shared| (0..tasks).for_each(|index| task(index, shared)))
        } else {
            filled(rows * n_images * columns, tasks, task)
        }
    }
}

/// A product of one matrix for use inside a task: `rows` of `left`, `stride` apart, times `panels`, into `target`.
pub(crate) fn product(
    kernels: &Kernels,
    left: &[f32],
    table: &RowTable,
    panels: &Panels,
    target: &mut [f32],
) {
    let (rows, columns) = (table.rows, panels.columns);
    let reach =
        table.offsets.iter().filter(|offset| **offset != OUTSIDE).max().map_or(0, |last| *last as usize);
    assert!(table.taps == 1 && reach + panels.depth <= left.len() && target.len() == rows * columns);
    for column in (0..columns).step_by(kernels.panel()) {
        // SAFETY: no row reaches beyond `left`, and the target holds all rows, as was checked; the rows that the table is padded
        // with, whose results are dropped, read the first row.
        unsafe {
            kernels.gather(&Gather {
                image: left.as_ptr(),
                zeros: left.as_ptr(),
                offsets: table.offsets.as_ptr(),
                offset_stride: table.stride,
                taps: 1,
                depth: panels.depth,
                panel: panels.values.as_ptr().add(column * panels.depth),
                bias: std::ptr::null(),
                residual: std::ptr::null(),
                factor: 1.0,
                bounds: Rectifier::None.bounds(),
                target: target.as_mut_ptr().add(column),
                targets: std::ptr::null(),
                target_stride: columns,
                rows,
                columns: (columns - column).min(kernels.panel()),
            });
        }
    }
}
