//! Sums of columns, over fixed runs of rows.

#![allow(unsafe_code, reason = "tasks write disjoint runs")]

use super::memory::{SMALL, Shared, filled};
use crate::simd::vectorised;

/// Rows of a run, whose sum is taken in f32; runs are added up in f64.
const RUN: usize = 256;

/// The sum of each column over every `rows` rows, `[groups, columns]`; of no rows, zeros once.
pub(crate) fn column_sums(values: &[f32], columns: usize, rows: usize) -> Vec<f32> {
    runs(values.len(), [columns, rows], |range, sums| add_rows(&values[range], sums))
}

/// Multiplies all numbers by a factor, and returns the [`column_sums`] of what they have become.
pub(crate) fn scale_and_sum(values: &mut [f32], columns: usize, rows: usize, factor: f32) -> Vec<f32> {
    let (length, values) = (values.len(), Shared::new(values));
    runs(length, [columns, rows], |range, sums| {
        // SAFETY: runs do not overlap, and each is one task's.
        let run = unsafe { values.slice(range.start, range.len()) };
        scale(run, factor);
        add_rows(run, sums);
    })
}

/// The sums that `body(run of numbers, zeros for its sums)` makes, added up for each group of rows.
fn runs(
    length: usize,
    [columns, rows]: [usize; 2],
    body: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) -> Vec<f32> {
    if rows == 0 {
        return vec![0.0; columns];
    }
    let group = (rows * columns).max(1);
    assert!(length.is_multiple_of(group));
    let (groups, per_group) = (length / group, rows.div_ceil(RUN));
    let task = |task: usize, sums: Shared| {
        let (start, first) = (task / per_group * group, task % per_group * RUN * columns);
        // SAFETY: each run has sums of its own.
        let sums = unsafe { sums.slice(task * columns, columns) };
        sums.fill(0.0);
        body(start + first..start + (first + RUN * columns).min(group), sums);
    };
    let tasks = groups * per_group;
    // SAFETY: the tasks are all runs, and each writes its sums.
    let partial = unsafe {
        if length < SMALL {
            filled(tasks * columns, 1, |_, shared| (0..tasks).for_each(|index| task(index, shared)))
        } else {
            filled(tasks * columns, tasks, task)
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
    totals
}

/// The sum of all groups of `length` numbers, in order.
pub(crate) fn fold(sums: Vec<f32>, length: usize) -> Vec<f32> {
    if sums.len() == length {
        return sums;
    }
    let piece = SMALL / 4;
    // SAFETY: the pieces are disjoint and end with the length, and each is copied to before it is added to.
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

vectorised! {
    fn add_rows(rows: &[f32], sums: &mut [f32]) {
        let columns = sums.len();
        let mut first = 0;
        first = add_columns::<64>(rows, sums, columns, first);
        first = add_columns::<16>(rows, sums, columns, first);
        add_columns::<1>(rows, sums, columns, first);
    }
}

/// Adds the columns from `first` on, so many at a time, whose sums stay in registers; returns the first that is left.
#[inline(always)]
fn add_columns<const N: usize>(rows: &[f32], sums: &mut [f32], columns: usize, mut first: usize) -> usize {
    while let Some(target) = sums.get_mut(first..first + N) {
        let mut sums = [0.0; N];
        sums.copy_from_slice(target);
        for row in rows.chunks_exact(columns) {
            for (sum, value) in sums.iter_mut().zip(&row[first..first + N]) {
                *sum += value;
            }
        }
        target.copy_from_slice(&sums);
        first += N;
    }
    first
}

vectorised! {
    fn scale(values: &mut [f32], factor: f32) {
        for value in values {
            *value *= factor;
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
            let mut scaled = values.clone();
            let sums = scale_and_sum(&mut scaled, columns, rows, 0.25);
            assert!(scaled.iter().zip(&values).all(|(scaled, value)| *scaled == 0.25 * value));
            assert_eq!(sums, column_sums(&scaled, columns, rows));
        }
    }

    #[test]
    fn groups_are_added_up_in_order() {
        let length = SMALL / 4 + 5;
        let groups = numbers(3 * length, 7);
        let expected: Vec<f32> =
            (0..length).map(|at| groups[at] + groups[length + at] + groups[2 * length + at]).collect();
        assert_eq!(fold(groups.clone(), length), expected);
        assert_eq!(fold(groups.clone(), 3 * length), groups);
    }
}
