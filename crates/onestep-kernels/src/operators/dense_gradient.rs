//! Sums of outer products of rows that lie one after the other: the gradients of the matrices of linear layers and 1x1
//! convolutions.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loop from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::images::Images;
use super::norm::Source;
use crate::blocking::{Groups, Shared, as_pairs, filled, fold, pack_columns, spread, with_scratch};
use crate::loops::{Kernels, PairProduct, Product, pair_panel, pair_rows};
use crate::simd::Precision;

/// Rows that are packed together: both sides of them stay in the second-level cache, with what their products are added to.
fn strip([depth, columns]: [usize; 2], precision: Precision) -> usize {
    let bytes = if precision == Precision::F32 { 4 } else { 2 };
    const CACHE: usize = if cfg!(test) { 8 * 1024 } else { 320 * 1024 };
    (CACHE / (bytes * (depth + columns)).max(1)).clamp(16, 256) / 2 * 2
}

/// The gradient of a matrix `[depth, columns]`, from what it is multiplied with, `source`, and the gradient of the result,
/// `[batch, pixels, columns]`. In bf16 both are rounded, and the products are added up in f32.
pub(super) fn weight_gradient(
    kernels: &Kernels,
    source: &Source,
    gradient: &[f32],
    columns: usize,
    precision: Precision,
) -> Vec<f32> {
    let Images { batch, pixels, channels: depth, .. } = source.images;
    assert_eq!(source.images.values.len(), batch * pixels * depth);
    assert_eq!(gradient.len(), batch * pixels * columns);
    let result = depth * columns;
    let strip = strip([depth, columns], precision);
    let per_image = pixels.div_ceil(strip);
    let strips = batch * per_image;
    if strips * result == 0 {
        return vec![0.0; result];
    }
    // Where groups are few, parts of the columns.
    let groups = Groups::new(strips, 4, result);
    let panels = columns.div_ceil(kernels.panel());
    let per_part = panels.div_ceil(16usize.div_ceil(groups.count)) * kernels.panel();
    let parts = columns.div_ceil(per_part);
    let task = |task: usize, shared: Shared| {
        let (group, part) = (task / parts, task % parts);
        let of_part = part * per_part..((part + 1) * per_part).min(columns);
        let sums = Sums { depth, columns, range: of_part, stride: kernels.padded(per_part) };
        with_scratch(depth * sums.stride, |totals| {
            let strips = groups.strips(group);
            for index in strips.clone() {
                let (image, pixel) = (index / per_image, index % per_image * strip);
                let rows = image * pixels + pixel..image * pixels + (pixel + strip).min(pixels);
                let left = &source.images.values[rows.start * depth..rows.end * depth];
                let right = &gradient[rows.start * columns..rows.end * columns];
                match precision {
                    Precision::F32 => {
                        sums.add(kernels, source, image, [left, right], totals, index > strips.start)
                    }
                    Precision::Bf16 => {
                        sums.add_pairs(kernels, source, image, [left, right], totals, index > strips.start);
                    }
                }
            }
            for (row, totals) in totals.chunks_exact(sums.stride).enumerate() {
                let range = &sums.range;
                // SAFETY: a group has a whole result, of which a part has columns of its own.
                let target =
                    unsafe { shared.slice(group * result + row * columns + range.start, range.len()) };
                target.copy_from_slice(&totals[..range.len()]);
            }
        });
    };
    // SAFETY: the tasks are all groups times all parts, and each writes its columns of all rows of its group.
    fold(unsafe { filled(groups.count * result, groups.count * parts, task) }, result)
}

/// The sums of one task: some columns of all rows of the matrix, `stride` from row to row.
struct Sums {
    depth: usize,
    columns: usize,
    /// Whole panels, but for the last.
    range: Range<usize>,
    stride: usize,
}

impl Sums {
    /// The panels as (column, width).
    fn panels<'a>(&'a self, kernels: &'a Kernels) -> impl Iterator<Item = (usize, usize)> + 'a {
        let columns = self.range.clone().step_by(kernels.panel());
        columns.map(|column| (column, kernels.panel_at(column, self.columns)))
    }

    /// Adds the products of some rows of an image to the totals, or begins them.
    fn add(
        &self,
        kernels: &Kernels,
        source: &Source,
        image: usize,
        [left, right]: [&[f32]; 2],
        totals: &mut [f32],
        accumulate: bool,
    ) {
        let (rows, left_stride) = (left.len() / self.depth, spread(self.depth));
        assert!(right.len() == rows * self.columns && totals.len() >= self.depth * self.stride);
        with_scratch(rows * (left_stride + kernels.panel()), |scratch| {
            let (seen, panel) = scratch.split_at_mut(rows * left_stride);
            for (row, seen) in left.chunks_exact(self.depth).zip(seen.chunks_exact_mut(left_stride)) {
                source.read(image, row, &mut seen[..self.depth]);
            }
            for (column, width) in self.panels(kernels) {
                pack_columns(right, self.columns, column, width, &mut panel[..rows * width]);
                // SAFETY: there are as many rows on both sides, the left ones as long as the depth, and the totals have room for
                // whole panels of as many rows as that.
                unsafe {
                    let job = Product {
                        left: seen.as_ptr(),
                        left_stride,
                        panel: panel.as_ptr(),
                        depth: rows,
                        target: totals.as_mut_ptr().add(column - self.range.start),
                        target_stride: self.stride,
                        rows: self.depth,
                        accumulate,
                    };
                    kernels.product(true, width, &job);
                }
            }
        });
    }

    /// As [`Self::add`], of numbers rounded to bf16.
    fn add_pairs(
        &self,
        kernels: &Kernels,
        source: &Source,
        image: usize,
        [left, right]: [&[f32]; 2],
        totals: &mut [f32],
        accumulate: bool,
    ) {
        let rows = left.len() / self.depth;
        let (pairs, left_stride) = (rows.div_ceil(2), spread(self.depth));
        assert!(right.len() == rows * self.columns && totals.len() >= self.depth * self.stride);
        with_scratch(pairs * (left_stride + kernels.panel()), |scratch| {
            let (left_pairs, panel_pairs) = as_pairs(scratch).split_at_mut(pairs * left_stride);
            with_scratch(2 * self.depth + rows * kernels.panel(), |scratch| {
                let (seen, panel) = scratch.split_at_mut(2 * self.depth);
                for (both, target) in
                    left.chunks(2 * self.depth).zip(left_pairs.chunks_exact_mut(left_stride))
                {
                    let both = if source.prologue.is_none() {
                        both
                    } else {
                        let seen = &mut seen[..both.len()];
                        source.read(image, both, seen);
                        &*seen
                    };
                    pair_rows(both, self.depth, target, left_stride);
                }
                for (column, width) in self.panels(kernels) {
                    let panel = &mut panel[..rows * width];
                    pack_columns(right, self.columns, column, width, panel);
                    pair_panel(panel, width, &mut panel_pairs[..pairs * width]);
                    // SAFETY: as in `add`, with pairs of rows.
                    unsafe {
                        let job = PairProduct {
                            left: left_pairs.as_ptr(),
                            left_stride,
                            panel: panel_pairs.as_ptr(),
                            depth: pairs,
                            target: totals.as_mut_ptr().add(column - self.range.start),
                            target_stride: self.stride,
                            rows: self.depth,
                            accumulate,
                        };
                        kernels.pair_product(true, width, &job);
                    }
                }
            });
        });
    }
}
