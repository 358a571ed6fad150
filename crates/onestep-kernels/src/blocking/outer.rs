//! Sums over rows, cut into tasks by shapes alone, never by the number of threads: of outer products, and of columns.

#![allow(unsafe_code, reason = "builds the jobs of the inner loop from checked slices")]

use super::groups::Groups;
use super::memory::{Shared, filled, with_scratch};
use super::panels::pack_columns;
use super::sums::fold;
use crate::loops::{Kernels, Outer, index};

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
    // Where groups are few, parts of the columns.
    let groups = Groups::new(strips, 8, result);
    let n_panels = columns.div_ceil(kernels.panel());
    let panels_per_task = n_panels.div_ceil(16usize.div_ceil(groups.count));
    let parts = n_panels.div_ceil(panels_per_task);

    let task = |task: usize, shared: Shared| {
        let (group, part) = (task / parts, task % parts);
        let strips = groups.strips(group);
        for strip in strips.clone() {
            let image = strip / table.strips.len() * table.images;
            let images = table.images.min(n_images - image);
            let strip_table = &table.strips[strip % table.strips.len()];
            // SAFETY: the buffer has `result` numbers for each group; what a task writes there are its own panels.
            let target = unsafe { shared.pointer(group * result) };
            let sides = [left, right].into_iter().zip(table.rows).zip([depth, columns]);
            let mut sides = sides
                .map(|((side, rows), width)| &side[image * rows * width..(image + images) * rows * width]);
            let sides = [sides.next().unwrap_or(&[]), sides.next().unwrap_or(&[])];
            let panels = part * panels_per_task..((part + 1) * panels_per_task).min(n_panels);
            // SAFETY: a group has a whole result, and tasks of one group have panels of their own. The first strip reads
            // nothing of what is not written yet.
            unsafe {
                outer_strip(
                    kernels,
                    sides,
                    strip_table,
                    [depth, columns],
                    panels,
                    target,
                    strip > strips.start,
                )
            };
        }
    };
    // SAFETY: groups and parts are all of the buffer, and the first strip of each, of which there is one, writes the whole part.
    let sums = unsafe { filled(groups.count * result, groups.count * parts, task) };
    fold(sums, result)
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
    let present = |pair: &&[u32; 2]| (pair[1] as usize) < n_right;
    assert!(strip.pairs.iter().flatten().filter(present).all(|pair| (pair[0] as usize) < n_left));
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
                    // SAFETY: the pairs were checked to be rows that are packed, blocks and panels end with the result, and the
                    // caller promises the target.
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
    // SAFETY: the target has the length of one result, as was checked, and is borrowed by this call alone.
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
