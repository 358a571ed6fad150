//! Products of gathered rows with a matrix, and sums of outer products, cut into tasks.
//!
//! How the work is cut decides nothing about a result of [`gathered`]: each element is one chain of multiply-adds. The sums
//! of [`outer_sum`] are cut by shapes alone, never by the number of threads.

#![allow(unsafe_code, reason = "builds the jobs of the inner loops from checked slices")]

use super::memory::{Shared, filled, with_scratch};
use super::tile::{Gather, Kernels, OUTSIDE, Outer};

/// A matrix `[depth, columns]` cut into panels of columns that the inner loop reads in order.
pub(crate) struct Panels {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
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
        let length = starts.iter().map(|&column| kernels.panel_at(column, columns) * depth).sum();
        // Only the last panel can be narrower, so panel i begins at i full panels.
        let fill_one = |index: usize, shared: Shared| {
            let column = starts[index];
            let width = kernels.panel_at(column, columns);
            // SAFETY: panels are disjoint, and `fill` writes all of a panel.
            fill(column, width, unsafe { shared.slice(column * depth, width * depth) });
        };
        // SAFETY: the panels cover the buffer.
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
        target.chunks_exact_mut(width).for_each(|row| row[count..].fill(0.0));
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
        Self { offsets, stride, taps, rows, targets: None }
    }
}

/// An offset within one image as stored in tables.
pub(crate) fn index(offset: usize) -> u32 {
    let index = u32::try_from(offset).unwrap_or(OUTSIDE);
    assert!(index != OUTSIDE, "an image of more than four thousand million numbers");
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
    assert!(table.targets.as_ref().is_none_or(|targets| targets.len() == rows));
    assert!(bias.is_none_or(|bias| bias.len() == columns));
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

/// Which outer products are summed: for each tap, every row of the right-hand side with a row of the left.
pub(crate) struct OuterTable {
    taps: usize,
    /// Rows of one image left and right.
    rows: [usize; 2],
    /// Images that the strips of the table span together.
    images: usize,
    strips: Vec<Strip>,
}

/// A run of right-hand rows and the window of left-hand rows that they meet.
pub(crate) struct Strip {
    first: [usize; 2],
    rows: [usize; 2],
    /// For each tap, left and right rows counted from the first.
    pairs: Vec<Vec<[u32; 2]>>,
}

impl Strip {
    /// Each of `rows` rows with its own.
    pub(crate) fn dense(rows: usize) -> Self {
        Self { first: [0; 2], rows: [rows; 2], pairs: vec![(0..rows).map(|row| [index(row); 2]).collect()] }
    }
}

impl OuterTable {
    /// `source(tap, row)` is the left row of an image that meets a right row; it does not decrease with the row.
    pub(crate) fn build(
        taps: usize,
        rows: [usize; 2],
        depth: usize,
        source: impl Fn(usize, usize) -> Option<usize>,
    ) -> Self {
        // A strip's window of the left-hand side should stay in the second-level cache.
        let strip = (16 * 1024 / depth.max(1)).clamp(32, 128);
        let images = (strip / rows[1].max(1)).max(1);
        let step = if images > 1 { images * rows[1] } else { strip };
        let strips = (0..images * rows[1]).step_by(step.max(1));
        let strips = strips.map(|first| {
            let end = if images > 1 { images * rows[1] } else { (first + strip).min(rows[1]) };
            let source = |tap, row| Some(row / rows[1] * rows[0] + source(tap, row % rows[1])?);
            let pairs = |tap| (first..end).filter_map(move |row| Some([source(tap, row)?, row]));
            let all = || (0..taps).flat_map(pairs).map(|[left, _]| left);
            let left = all().min().unwrap_or(0);
            Strip {
                first: [left, first],
                rows: [all().max().map_or(0, |last| last + 1 - left), end - first],
                pairs: (0..taps)
                    .map(|tap| pairs(tap).map(|[l, r]| [index(l - left), index(r - first)]).collect())
                    .collect(),
            }
        });
        Self { taps, rows, images, strips: strips.collect() }
    }
}

/// For each tap: the sum of outer products of left with right rows, `[taps, depth, columns]`.
///
/// `left` is `[images, table.rows[0], depth]`, `right` `[images, table.rows[1], columns]`.
pub(crate) fn outer_sum(
    kernels: &Kernels,
    [left, right]: [&[f32]; 2],
    n_images: usize,
    table: &OuterTable,
    [depth, columns]: [usize; 2],
) -> Vec<f32> {
    let result = table.taps * depth * columns;
    assert!(
        left.len() == n_images * table.rows[0] * depth && right.len() == n_images * table.rows[1] * columns
    );
    let strips = n_images.div_ceil(table.images) * table.strips.len();
    if strips * result == 0 {
        return vec![0.0; result];
    }
    // Partial sums for up to 16 groups of eight strips or more, fewer where they would take more than 16 MB, and then
    // parts of the columns: by shapes alone, so that the number of threads changes nothing.
    let groups = (strips / 8).min(4 * 1024 * 1024 / result).clamp(1, 16);
    let n_panels = columns.div_ceil(kernels.panel());
    let panels_per_task = n_panels.div_ceil(16usize.div_ceil(groups));
    let parts = n_panels.div_ceil(panels_per_task);

    let task = |task: usize, shared: Shared| {
        let (group, part) = (task / parts, task % parts);
        let [first, end] = [group, group + 1].map(|group| group * strips / groups);
        for strip in first..end {
            let image = strip / table.strips.len() * table.images;
            let images = table.images.min(n_images - image);
            let strip_table = &table.strips[strip % table.strips.len()];
            // SAFETY: each task has its own group of the buffer or its own panels of it.
            let target = unsafe { shared.pointer(group * result) };
            let sides = [left, right].into_iter().zip(table.rows).zip([depth, columns]);
            let mut sides = sides
                .map(|((side, rows), width)| &side[image * rows * width..(image + images) * rows * width]);
            let sides = [sides.next().unwrap_or(&[]), sides.next().unwrap_or(&[])];
            let panels = part * panels_per_task..((part + 1) * panels_per_task).min(n_panels);
            // SAFETY: as above; the first strip of a group writes all of its part.
            unsafe {
                outer_strip(kernels, sides, strip_table, [depth, columns], panels, target, strip > first)
            };
        }
    };
    // SAFETY: every group writes all of its part in its first strip.
    let sums = unsafe { filled(groups * result, groups * parts, task) };
    if groups == 1 { sums } else { fold(&sums, result) }
}

/// Adds the outer products of one strip to panels of `target`, `[taps, depth, columns]`.
///
/// Both sides are first packed in the order in which the inner loop reads them: rows a power of two apart would fall into
/// the same few lines of the first-level cache.
///
/// # Safety
///
/// `target` is valid for `[taps, depth, columns]`, and nobody else touches these panels.
unsafe fn outer_strip(
    kernels: &Kernels,
    [left, right]: [&[f32]; 2],
    strip: &Strip,
    [depth, columns]: [usize; 2],
    panels: std::ops::Range<usize>,
    target: *mut f32,
    accumulate: bool,
) {
    // The last strip of a batch may lack images, and with them the last rows.
    let n_left = strip.rows[0].min((left.len() / depth).saturating_sub(strip.first[0]));
    let n_right = strip.rows[1].min((right.len() / columns).saturating_sub(strip.first[1]));
    let left = &left[strip.first[0].min(left.len() / depth) * depth..][..n_left * depth];
    let right = &right[strip.first[1] * columns..][..n_right * columns];
    with_scratch(n_left * depth + n_right * kernels.panel(), |scratch| {
        let (packed_left, packed_right) = scratch.split_at_mut(n_left * depth);
        for (row, height) in blocks(kernels, depth) {
            let block = &mut packed_left[row * n_left..][..kernels.outer_rows[height] * n_left];
            pack_columns(left, depth, row, kernels.outer_rows[height], block);
        }
        for panel in panels {
            let column = panel * kernels.panel();
            let width = kernels.panel_at(column, columns);
            let packed_right = &mut packed_right[..n_right * width];
            pack_columns(right, columns, column, width, packed_right);
            for (row, height) in blocks(kernels, depth) {
                for (tap, pairs) in strip.pairs.iter().enumerate() {
                    let pairs = &pairs[..pairs.partition_point(|pair| (pair[1] as usize) < n_right)];
                    debug_assert!(pairs.iter().all(|pair| (pair[0] as usize) < n_left));
                    // SAFETY: the pairs are rows that were packed, and the caller promises the target.
                    unsafe {
                        kernels.outer(
                            height,
                            &Outer {
                                left: packed_left.as_ptr().add(row * n_left),
                                right: packed_right.as_ptr(),
                                pairs: pairs.as_ptr(),
                                n_pairs: pairs.len(),
                                target: target.add((tap * depth + row) * columns + column),
                                target_stride: columns,
                                columns: (columns - column).min(kernels.panel()),
                                accumulate,
                            },
                        );
                    }
                }
            }
        }
    });
}

/// The sum of outer products of `left`, `[rows, depth]`, with `right`, `[rows, columns]`, for use inside a task: written to
/// `target`, `[depth, columns]`, or added to it.
pub(crate) fn outer_rows(
    kernels: &Kernels,
    [left, right]: [&[f32]; 2],
    strip: &Strip,
    [depth, columns]: [usize; 2],
    target: &mut [f32],
    accumulate: bool,
) {
    assert!(
        strip.pairs.len() == 1
            && left.len() == strip.rows[0] * depth
            && right.len() == strip.rows[1] * columns
    );
    assert!(target.len() == depth * columns);
    let panels = 0..columns.div_ceil(kernels.panel());
    // SAFETY: checked above.
    unsafe {
        outer_strip(kernels, [left, right], strip, [depth, columns], panels, target.as_mut_ptr(), accumulate)
    };
}

/// Cuts rows into blocks of the heights there are, as (first row, index of the height).
fn blocks(kernels: &Kernels, rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let heights = kernels.outer_rows;
    let mut row = 0;
    std::iter::from_fn(move || {
        let height = heights.iter().position(|height| row + height <= rows)?;
        row += heights[height];
        Some((row - heights[height], height))
    })
}

/// Copies `width` columns of a matrix `[_, stride]` together, with zeros beyond its last column.
fn pack_columns(matrix: &[f32], stride: usize, column: usize, width: usize, target: &mut [f32]) {
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
                target.iter_mut().zip(source).for_each(|(sum, value)| *sum += value);
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
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        totals.iter_mut().zip(&sums).for_each(|(total, sum)| *total += f64::from(*sum));
    }
    totals.into_iter().map(|total| total as f32).collect()
}
