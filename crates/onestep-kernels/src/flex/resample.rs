//! Separable sparse maps over the pixels of images, in f32.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the output")]

use super::elementwise::vectorised;
use super::memory::{Shared, filled};
use crate::resample::LinearMap;

/// A [`LinearMap`] in the precision of the images.
type Taps = Vec<Vec<(usize, f32)>>;

fn taps(map: &LinearMap) -> Taps {
    let narrow =
        |row: &Vec<(usize, f64)>| row.iter().map(|&(input, weight)| (input, weight as f32)).collect();
    map.taps.iter().map(narrow).collect()
}

/// Maps `[batch, rows.inputs, columns.inputs, channels]` to `[batch, rows.outputs, columns.outputs, channels]`.
pub(crate) fn resample(input: &[f32], channels: usize, rows: &LinearMap, columns: &LinearMap) -> Vec<f32> {
    let (in_row, out_row) = (columns.inputs * channels, columns.outputs() * channels);
    let image = rows.inputs * in_row;
    let batch = input.len().checked_div(image).unwrap_or(0);
    let reach = |map: &LinearMap| map.taps.iter().flatten().all(|tap| tap.0 < map.inputs);
    assert!(input.len() == batch * image && reach(rows) && reach(columns));
    let (row_taps, column_taps) = (taps(rows), taps(columns));
    let task = |task: usize, shared: Shared| {
        let (sample, row) = (task / row_taps.len(), task % row_taps.len());
        // SAFETY: each task has its own row, which is written whole.
        let output = unsafe { shared.slice(task * out_row, out_row) };
        map_row(&input[sample * image..][..image], in_row, channels, &row_taps[row], &column_taps, output);
    };
    // SAFETY: as above.
    unsafe { filled(batch * row_taps.len() * out_row, batch * row_taps.len(), task) }
}

vectorised! {
    fn map_row(
        image: &[f32],
        in_row: usize,
        channels: usize,
        rows: &[(usize, f32)],
        columns: &[Vec<(usize, f32)>],
        output: &mut [f32],
    ) {
        for (taps, output) in columns.iter().zip(output.chunks_exact_mut(channels)) {
            output.fill(0.0);
            for &(row, row_weight) in rows {
                for &(column, column_weight) in taps {
                    let weight = row_weight * column_weight;
                    let source = &image[row * in_row + column * channels..][..channels];
                    for (sum, value) in output.iter_mut().zip(source) {
                        *sum += weight * value;
                    }
                }
            }
        }
    }
}
