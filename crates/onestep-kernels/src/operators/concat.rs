//! Rows of several matrices side by side.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the output")]

use crate::blocking::{SMALL, Shared, filled};

/// Joins `rows` rows of matrices, each with the length of its rows.
pub(crate) fn concat<T: Copy + Sync>(parts: &[(&[T], usize)], rows: usize) -> Vec<T> {
    assert!(parts.iter().all(|(part, length)| part.len() == rows * length));
    let width: usize = parts.iter().map(|(_, length)| length).sum();
    let run = (SMALL / width.max(1)).max(1);
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

#[cfg(test)]
mod tests {
    use super::concat;
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
            assert_eq!(concat(&parts, rows), expected);
        }
    }
}
