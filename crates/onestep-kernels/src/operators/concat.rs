//! Rows of several matrices side by side, and taken apart again.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the output")]

use std::ops::Range;

use crate::blocking::{SMALL, Shared, filled};

/// Rows of one task, where each reads and writes this many numbers.
fn run(width: usize) -> usize {
    (SMALL / width.max(1)).max(1)
}

/// Joins `rows` rows of matrices, each with the length of its rows.
pub(crate) fn concat<T: Copy + Sync>(parts: &[(&[T], usize)], rows: usize) -> Vec<T> {
    assert!(parts.iter().all(|(part, length)| part.len() == rows * length));
    let width: usize = parts.iter().map(|(_, length)| length).sum();
    let run = run(width);
    let task = |task: usize, shared: Shared<T>| {
        let rows = task * run..((task + 1) * run).min(rows);
        // SAFETY: runs of rows do not overlap, and each is one task's.
        let output = unsafe { shared.slice(rows.start * width, rows.len() * width) };
        for (row, output) in rows.zip(output.chunks_exact_mut(width)) {
            let mut rest = output;
            for &(part, length) in parts {
                let (target, after) = rest.split_at_mut(length);
                target.copy_from_slice(&part[row * length..][..length]);
                rest = after;
            }
        }
    };
    // SAFETY: the tasks are all rows, and the lengths of the parts are the width, so rows are written whole.
    unsafe { filled(rows * width, if width == 0 { 0 } else { rows.div_ceil(run) }, task) }
}

/// Some columns of a matrix whose rows have length `width`.
pub(crate) fn columns<T: Copy + Sync>(matrix: &[T], width: usize, columns: Range<usize>) -> Vec<T> {
    assert!(
        columns.start <= columns.end && columns.end <= width && matrix.len().is_multiple_of(width.max(1))
    );
    let (rows, length) = (matrix.len() / width.max(1), columns.len());
    let run = run(length);
    let task = |task: usize, shared: Shared<T>| {
        let rows = task * run..((task + 1) * run).min(rows);
        // SAFETY: runs of rows do not overlap, and each is one task's.
        let output = unsafe { shared.slice(rows.start * length, rows.len() * length) };
        let input = matrix[rows.start * width..rows.end * width].chunks_exact(width);
        for (row, output) in input.zip(output.chunks_exact_mut(length)) {
            output.copy_from_slice(&row[columns.clone()]);
        }
    };
    // SAFETY: the tasks are all rows, and rows are written whole.
    unsafe { filled(rows * length, if length == 0 { 0 } else { rows.div_ceil(run) }, task) }
}

#[cfg(test)]
mod tests {
    use super::{columns, concat};
    use crate::plain::numbers;

    #[test]
    fn rows_stand_side_by_side() {
        for (rows, lengths) in [(3, vec![2, 1, 4]), (500, vec![100, 64]), (1, vec![5, 0, 2]), (0, vec![1, 1])]
        {
            let parts: Vec<Vec<f32>> =
                (lengths.iter().zip(1..)).map(|(length, seed)| numbers(rows * length, seed)).collect();
            let parts: Vec<(&[f32], usize)> =
                parts.iter().map(Vec::as_slice).zip(lengths.iter().copied()).collect();
            let mut expected = Vec::new();
            for row in 0..rows {
                for (part, length) in &parts {
                    expected.extend((0..*length).map(|column| part[row * length + column]));
                }
            }
            let joined = concat(&parts, rows);
            assert_eq!(joined, expected);
            let (width, mut first) = (lengths.iter().sum(), 0);
            for (part, length) in parts {
                assert_eq!(columns(&joined, width, first..first + length), part);
                first += length;
            }
        }
    }
}
