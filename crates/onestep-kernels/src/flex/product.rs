//! Products of gathered rows with a matrix, and sums of outer products, cut into tasks.
//!
//! How the work is cut decides nothing about a result of [`gathered`]: each element is one chain of multiply-adds. The sums
//! of [`outer_sum`] are cut by shapes alone, never by the number of threads.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices"
)]

use super::memory::{Shared, filled};
use super::tile::{Gather, Kernels, OUTSIDE, Outer};

/// A matrix `[depth, columns]` cut into panels of columns that the inner loop reads in order.
pub(crate) struct Panels {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
}

impl Panels {
    /// Packs a matrix stored by rows, `[depth, columns]`.
    pub(crate) fn from_rows(
        kernels: &Kernels,
        matrix: &[f32],
        depth: usize,
        columns: usize,
    ) -> Self {
        Self::pack(kernels, depth, columns, |column, width, panel| {
            let valid = width.min(columns - column);
            for (k, target) in panel.chunks_exact_mut(width).enumerate() {
                let source = k * columns + column;
                target[..valid].copy_from_slice(&matrix[source..source + valid]);
                target[valid..].fill(0.0);
            }
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
        let length = starts
            .iter()
            .map(|&column| kernels.panel_at(column, columns) * depth)
            .sum();
        // Only the last panel can be narrower, so panel i begins at i full panels.
        let fill_one = |index: usize, shared: Shared| {
            let column = starts[index];
            let width = kernels.panel_at(column, columns);
            // SAFETY: panels are disjoint, and `fill` writes all of a panel.
            fill(column, width, unsafe {
                shared.slice(column * depth, width * depth)
            });
        };
        // SAFETY: the panels cover the buffer.
        let values = unsafe {
            if length < SMALL {
                filled(length, 1, |_, shared| {
                    (0..starts.len()).for_each(|index| fill_one(index, shared))
                })
            } else {
                filled(length, starts.len(), fill_one)
            }
        };
        Self {
            values,
            depth,
            columns,
        }
    }
}

/// Elements below which waking another thread costs more than it saves.
pub(crate) const SMALL: usize = 32 * 1024;

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
        target
            .chunks_exact_mut(width)
            .for_each(|row| row[count..].fill(0.0));
    }
}

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
        Self {
            offsets,
            stride,
            taps,
            rows,
            targets: None,
        }
    }
}

/// An offset within one image as stored in tables.
pub(crate) fn index(offset: usize) -> u32 {
    let index = u32::try_from(offset).unwrap_or(OUTSIDE);
    assert!(
        index != OUTSIDE,
        "an image of more than four thousand million numbers"
    );
    index
}

/// For each image and row: the sum over taps of gathered input times panels, plus bias.
///
/// `images` holds `n_images` images of equal size; the result has `table.rows` rows of `panels.columns` for each.
pub(crate) fn gathered(
    kernels: &Kernels,
    images: &[f32],
    n_images: usize,
    table: &RowTable,
    panels: &Panels,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (rows, columns, depth) = (table.rows, panels.columns, panels.depth / table.taps.max(1));
    if n_images == 0 {
        return Vec::new();
    }
    let image_size = images.len() / n_images;
    let valid = |offset: &u32| *offset == OUTSIDE || *offset as usize + depth <= image_size;
    assert!(table.offsets.iter().all(valid) && table.offsets.len() == table.taps * table.stride);
    assert!(
        table
            .targets
            .as_ref()
            .is_none_or(|targets| targets.len() == rows)
    );
    assert!(bias.is_none_or(|bias| bias.len() == columns));
    let zeros = vec![0.0f32; depth];

    // Enough tasks for every thread, long enough runs of rows for the panel to stay in cache.
    let run = if rows * n_images >= 2048 { 128 } else { 32 }
        .min(rows.max(1))
        .next_multiple_of(kernels.rows);
    let runs = rows.div_ceil(run);
    let n_panels = columns.div_ceil(kernels.panel());
    let split = if runs * n_images < 8 { n_panels } else { 1 };
    let tasks = runs * n_images * split;
    let work = rows * n_images * columns * panels.depth;

    let task = |task: usize, shared: Shared| {
        let (image, first, part) = (task / split / runs, task / split % runs * run, task % split);
        for panel in (0..n_panels).filter(|panel| split == 1 || *panel == part) {
            let column = panel * kernels.panel();
            // SAFETY: offsets were checked above and are padded to a multiple of `kernels.rows`, and so are the runs;
            // tasks write disjoint rows or panels.
            unsafe {
                kernels.gather(&Gather {
                    image: images.as_ptr().add(image * image_size),
                    zeros: zeros.as_ptr(),
                    offsets: table.offsets.as_ptr().add(first),
                    offset_stride: table.stride,
                    taps: table.taps,
                    depth,
                    panel: panels.values.as_ptr().add(column * panels.depth),
                    bias: bias.map_or(std::ptr::null(), |bias| bias.as_ptr().add(column)),
                    target: match &table.targets {
                        Some(_) => shared.pointer(image * rows * columns + column),
                        None => shared.pointer((image * rows + first) * columns + column),
                    },
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
    // SAFETY: rows and panels cover the result.
    unsafe {
        if work < 16 * SMALL {
            filled(rows * n_images * columns, 1, |_, shared| {
                (0..tasks).for_each(|index| task(index, shared))
            })
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
    let reach = table
        .offsets
        .iter()
        .filter(|offset| **offset != OUTSIDE)
        .max()
        .map_or(0, |last| *last as usize);
    assert!(
        table.taps == 1 && reach + panels.depth <= left.len() && target.len() == rows * columns
    );
    for column in (0..columns).step_by(kernels.panel()) {
        // SAFETY: checked above. Padding rows, whose results are dropped, read the first row instead of zeros.
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
                target: target.as_mut_ptr().add(column),
                targets: std::ptr::null(),
                target_stride: columns,
                rows,
                columns: (columns - column).min(kernels.panel()),
            });
        }
    }
}

/// Pairs of positions whose outer products are summed, for one image or a few small ones.
pub(crate) struct PairTable {
    /// For each tap, the positions in the left and in the right image, one image after the other.
    pub pairs: Vec<Vec<[u32; 2]>>,
    /// Images that the table spans.
    pub images: usize,
    /// Right-hand rows of one image.
    pub rows: usize,
}

/// For each tap: Σ over images and pairs of left\[p..p + depth\] ⊗ right\[q..q + columns\], as `[taps, depth, columns]`.
///
/// `sizes` are the numbers of elements of one image left and right.
pub(crate) fn outer_sum(
    kernels: &Kernels,
    [left, right]: [&[f32]; 2],
    sizes: [usize; 2],
    n_images: usize,
    table: &PairTable,
    [depth, columns]: [usize; 2],
) -> Vec<f32> {
    let taps = table.pairs.len();
    let result = taps * depth * columns;
    assert!(left.len() == n_images * sizes[0] && right.len() == n_images * sizes[1]);
    for [p, q] in table.pairs.iter().flatten() {
        assert!(
            *p as usize + depth <= table.images * sizes[0]
                && *q as usize + columns <= table.images * sizes[1]
        );
    }

    // Strips of about a hundred rows stay in cache while all taps and tiles pass over them.
    let strips_per_table = (table.images * table.rows).div_ceil(STRIP);
    let spans = n_images.div_ceil(table.images);
    let strips = spans * strips_per_table;
    if strips * result == 0 {
        return vec![0.0; result];
    }
    let groups = strips.min(16).min((4 * 1024 * 1024 / result).max(1));
    let n_panels = columns.div_ceil(kernels.panel());
    let panels_per_task = n_panels.div_ceil(16usize.div_ceil(groups)).max(1);
    let parts = n_panels.div_ceil(panels_per_task);
    // For each tap, where each strip of the table begins.
    let bounds: Vec<Vec<usize>> = table
        .pairs
        .iter()
        .map(|pairs| {
            let begin = |strip: usize| {
                pairs.partition_point(|pair| {
                    (pair[1] as usize) < strip * STRIP * (sizes[1] / table.rows)
                })
            };
            (0..=strips_per_table).map(begin).collect()
        })
        .collect();

    let task = |task: usize, shared: Shared| {
        let (group, part) = (task / parts, task % parts);
        let [first, end] = [group, group + 1].map(|group| group * strips / groups);
        for strip in first..end {
            let (span, piece) = (strip / strips_per_table, strip % strips_per_table);
            let image = span * table.images;
            let complete = image + table.images <= n_images;
            let limit = ((n_images - image) * sizes[1]) as u64; // right positions of images that exist
            for panel in part * panels_per_task..((part + 1) * panels_per_task).min(n_panels) {
                let column = panel * kernels.panel();
                for (tap, pairs) in table.pairs.iter().enumerate() {
                    let mut pairs = &pairs[bounds[tap][piece]..bounds[tap][piece + 1]];
                    if !complete {
                        pairs = &pairs[..pairs.partition_point(|pair| u64::from(pair[1]) < limit)];
                    }
                    let mut row = 0;
                    while row < depth {
                        let height = kernels
                            .outer_rows
                            .iter()
                            .position(|height| row + height <= depth)
                            .unwrap_or(3);
                        // SAFETY: positions were checked above for a whole table; of a cut one only pairs of existing
                        // images remain. Each task has its own group of the buffer or its own panels of it.
                        unsafe {
                            kernels.outer(
                                height,
                                &Outer {
                                    left: left.as_ptr().add(image * sizes[0] + row),
                                    right: right.as_ptr().add(image * sizes[1] + column),
                                    pairs: pairs.as_ptr(),
                                    n_pairs: pairs.len(),
                                    target: shared.pointer(
                                        group * result + (tap * depth + row) * columns + column,
                                    ),
                                    target_stride: columns,
                                    columns: (columns - column).min(kernels.panel()),
                                    accumulate: strip > first,
                                },
                            );
                        }
                        row += kernels.outer_rows[height];
                    }
                }
            }
        }
    };
    // SAFETY: every group writes all of its part in its first strip.
    let sums = unsafe { filled(groups * result, groups * parts, task) };
    if groups == 1 {
        sums
    } else {
        fold(&sums, result)
    }
}

const STRIP: usize = 128;

/// The sum of all groups of `length` numbers, in order.
fn fold(sums: &[f32], length: usize) -> Vec<f32> {
    let piece = SMALL / 4;
    // SAFETY: each piece is written whole.
    unsafe {
        filled(length, length.div_ceil(piece), |index, shared| {
            let start = index * piece;
            let target = shared.slice(start, piece.min(length - start));
            target.copy_from_slice(&sums[start..start + target.len()]);
            for group in sums.chunks_exact(length).skip(1) {
                let source = &group[start..start + target.len()];
                target
                    .iter_mut()
                    .zip(source)
                    .for_each(|(sum, value)| *sum += value);
            }
        })
    }
}

/// The sum of each column of `rows` rows, over fixed runs of rows.
pub(crate) fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let mut totals = vec![0.0f64; columns];
    let mut sums = vec![0.0f32; columns];
    for run in values.chunks(256 * columns.max(1)) {
        sums.fill(0.0);
        for row in run.chunks_exact(columns) {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value);
        }
        totals
            .iter_mut()
            .zip(&sums)
            .for_each(|(total, sum)| *total += f64::from(*sum));
    }
    totals.into_iter().map(|total| total as f32).collect()
}
