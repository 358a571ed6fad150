//! Sums of columns, over fixed runs of rows.

#![allow(unsafe_code, reason = "tasks write disjoint runs")]

use super::memory::{SMALL, Shared, filled_each};
use crate::simd::vectorised;

/// Rows of a run, whose sum is taken in f32; runs are added up in f64.
const RUN: usize = 256;

/// The sum of each column over every `rows` rows, `[groups, columns]`; of no rows, zeros once.
pub(crate) fn column_sums(values: &[f32], columns: usize, rows: usize) -> Vec<f32> {
    let body = |run: &[f32], sums: &mut [f32], _: &mut [f32]| add_rows(run, sums);
    let [_, sums] = runs(values, [columns, rows], 0, body);
    sums
}

/// All numbers times a factor, and the sums of the columns of these.
pub(crate) fn scaled_column_sums(values: &[f32], columns: usize, rows: usize, factor: f32) -> [Vec<f32>; 2] {
    runs(values, [columns, rows], values.len(), |run, sums, scaled| {
        scale(run, factor, scaled);
        add_rows(scaled, sums);
    })
}

/// What `body(run of rows, zeros for its sums, as many numbers as the run)` makes of each run, and the sums of each group of rows.
fn runs(
    values: &[f32],
    [columns, rows]: [usize; 2],
    results: usize,
    body: impl Fn(&[f32], &mut [f32], &mut [f32]) + Sync,
) -> [Vec<f32>; 2] {
    if rows == 0 {
        return [Vec::new(), vec![0.0; columns]];
    }
    let group = (rows * columns).max(1);
    assert!(values.len().is_multiple_of(group) && [0, values.len()].contains(&results));
    let (groups, per_group) = (values.len() / group, rows.div_ceil(RUN));
    let task = |task: usize, [scaled, sums]: [Shared; 2]| {
        let first = task / per_group * group + task % per_group * RUN * columns;
        let length = (RUN * columns).min(task / per_group * group + group - first);
        // SAFETY: runs do not overlap, nor do their sums, and each is one task's.
        let (scaled, sums) = unsafe {
            let results = if results == 0 { 0 } else { length };
            (scaled.slice(if results == 0 { 0 } else { first }, results), sums.slice(task * columns, columns))
        };
        sums.fill(0.0);
        body(&values[first..first + length], sums, scaled);
    };
    let (tasks, lengths) = (groups * per_group, [results, groups * per_group * columns]);
    // SAFETY: the tasks are all runs, and each writes its sums and, where there are results, as many numbers as it has.
    let [scaled, partial] = unsafe {
        if values.len() < SMALL {
            filled_each(lengths, 1, |_, shared| (0..tasks).for_each(|index| task(index, shared)))
        } else {
            filled_each(lengths, tasks, task)
        }
    };
    let mut totals = Vec::with_capacity(groups * columns);
    let mut sums = vec![0.0f64; columns];
    for group in partial.chunks((per_group * columns).max(1)) {
        sums.fill(0.0);
        for row in group.chunks_exact(columns) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        totals.extend(sums.iter().map(|sum| *sum as f32));
    }
    [scaled, totals]
}

vectorised! {
    fn add_rows(rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len().max(1)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

vectorised! {
    fn scale(values: &[f32], factor: f32, results: &mut [f32]) {
        for (result, value) in results.iter_mut().zip(values) {
            *result = factor * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::{assert_close, numbers};

    #[test]
    fn every_group_has_its_own_sums() {
        for (groups, rows, columns) in
            [(1, 1, 1), (3, 700, 17), (2, 256, 64), (5, 3, 5), (1, 4000, 33), (0, 4, 2), (1, 0, 3)]
        {
            let values = numbers(groups * rows * columns, 3);
            let mut expected = vec![0.0f64; groups * columns];
            for (index, value) in values.iter().enumerate() {
                expected[index / (rows * columns) * columns + index % columns] += f64::from(*value);
            }
            assert_close(&column_sums(&values, columns, rows), &expected, 1e-5, "sums");
            let [scaled, sums] = scaled_column_sums(&values, columns, rows, 0.25);
            assert!(scaled.iter().zip(&values).all(|(scaled, value)| *scaled == 0.25 * value));
            assert_eq!(sums, column_sums(&scaled, columns, rows));
        }
    }
}
