//! Changes of resolution: separable maps of the pixels, a row of output pixels at a time.
//!
//! Each is one sparse matrix for the rows and one for the columns. [`LinearMap`] is that matrix, the operator is one and the
//! same for all, and its gradient is the transposed matrix.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the output")]

use crate::blocking::{Shared, filled, with_scratch};
use crate::loops::{round, widen};
use crate::simd::vectorised;

/// A sparse matrix from the positions of an input axis to those of an output axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearMap {
    /// Length of the input axis.
    pub inputs: usize,
    /// For each output position, the input positions it reads and their weights.
    pub taps: Vec<Vec<(usize, f64)>>,
}

impl LinearMap {
    /// Length of the output axis.
    pub(crate) fn outputs(&self) -> usize {
        self.taps.len()
    }

    /// The transposed matrix.
    pub(crate) fn transposed(&self) -> Self {
        let mut taps = vec![Vec::new(); self.inputs];
        for (output, row) in self.taps.iter().enumerate() {
            for &(input, weight) in row {
                taps[input].push((output, weight));
            }
        }
        Self { inputs: self.outputs(), taps }
    }

    /// Every position twice.
    pub(crate) fn nearest(inputs: usize) -> Self {
        Self { inputs, taps: (0..2 * inputs).map(|output| vec![(output / 2, 1.0)]).collect() }
    }

    /// The mean of each two positions.
    pub(crate) fn mean(inputs: usize) -> Self {
        Self {
            inputs,
            taps: (0..inputs / 2).map(|output| vec![(2 * output, 0.5), (2 * output + 1, 0.5)]).collect(),
        }
    }

    /// Correlation with the taps at stride 2 and padding (len − 1) / 2.
    pub(crate) fn fir_down(inputs: usize, filter: &[f64]) -> Self {
        let padding = (filter.len() - 1) / 2;
        let outputs = (inputs + 2 * padding - filter.len()) / 2 + 1;
        let taps = (0..outputs)
            .map(|output| {
                let positions = filter.iter().enumerate().map(|(tap, &weight)| (2 * output + tap, weight));
                positions
                    .filter(|&(position, _)| position >= padding && position - padding < inputs)
                    .map(|(position, weight)| (position - padding, weight))
                    .collect()
            })
            .collect();
        Self { inputs, taps }
    }

    /// Correlation with the taps at stride 2 of an axis that is mirrored at its ends, len − 1 positions far.
    pub(crate) fn blur_down(inputs: usize, filter: &[f64]) -> Self {
        let (reach, last) = (filter.len() - 1, inputs - 1);
        let mirrored = |position: usize| match position.checked_sub(reach) {
            None => reach - position,
            Some(position) if position > last => 2 * last - position,
            Some(position) => position,
        };
        let outputs = (inputs + 2 * reach - filter.len()) / 2 + 1;
        let row = |output: usize| {
            filter.iter().enumerate().map(|(tap, &weight)| (mirrored(2 * output + tap), weight)).collect()
        };
        Self { inputs, taps: (0..outputs).map(row).collect() }
    }

    /// The transpose of [`Self::fir_down`] at twice the length.
    pub(crate) fn fir_up(inputs: usize, filter: &[f64]) -> Self {
        let padding = (filter.len() - 1) / 2;
        let outputs = 2 * (inputs - 1) + filter.len() - 2 * padding;
        let mut taps = vec![Vec::new(); outputs];
        for input in 0..inputs {
            for (tap, &weight) in filter.iter().enumerate() {
                if let Some(row) =
                    (2 * input + tap).checked_sub(padding).and_then(|output| taps.get_mut(output))
                {
                    row.push((input, weight));
                }
            }
        }
        Self { inputs, taps }
    }

    /// Linear interpolation between the nearest positions.
    pub(crate) fn bilinear(inputs: usize, outputs: usize) -> Self {
        // In f32, as PyTorch computes positions: at hundreds of pixels its rounding moves a weight by 1e-5.
        let scale = inputs as f32 / outputs as f32;
        let taps = (0..outputs)
            .map(|output| {
                let position = ((output as f32 + 0.5) * scale - 0.5).max(0.0);
                let low = (position as usize).min(inputs - 1);
                let high = (low + 1).min(inputs - 1);
                let fraction = position - low as f32;
                if high == low || fraction == 0.0 {
                    vec![(low, 1.0)]
                } else {
                    vec![(low, f64::from(1.0 - fraction)), (high, f64::from(fraction))]
                }
            })
            .collect();
        Self { inputs, taps }
    }
}

/// A [`LinearMap`] in the precision of the images.
type Taps = Vec<Vec<(usize, f32)>>;

fn taps(map: &LinearMap) -> Taps {
    let narrow =
        |row: &Vec<(usize, f64)>| row.iter().map(|&(input, weight)| (input, weight as f32)).collect();
    map.taps.iter().map(narrow).collect()
}

/// Maps `[batch, rows.inputs, columns.inputs, channels]` to `[batch, rows.outputs, columns.outputs, channels]`.
pub(crate) fn resample(input: &[f32], channels: usize, rows: &LinearMap, columns: &LinearMap) -> Vec<f32> {
    let column_taps = taps(columns);
    let in_row = columns.inputs * channels;
    let map = |image: &[f32], rows: &[(usize, f32)], output: &mut [f32]| {
        map_row(image, in_row, channels, rows, &column_taps, output);
    };
    // SAFETY: every pixel of a row begins with zero.
    unsafe { by_rows(input, channels, [rows, columns], map) }
}

/// As [`resample`], of numbers of type bf16: computed in f32, and rounded once.
pub(crate) fn resample_half(
    input: &[u16],
    channels: usize,
    rows: &LinearMap,
    columns: &LinearMap,
) -> Vec<u16> {
    let column_taps = taps(columns);
    let in_row = columns.inputs * channels;
    let map = |image: &[u16], rows: &[(usize, f32)], output: &mut [u16]| {
        with_scratch(rows.len() * in_row + output.len(), |scratch| {
            let (seen, mapped) = scratch.split_at_mut(rows.len() * in_row);
            for (&(row, _), seen) in rows.iter().zip(seen.chunks_exact_mut(in_row)) {
                widen(&image[row * in_row..][..in_row], seen);
            }
            // The rows that are seen, counted from the first of them.
            let rows: Vec<(usize, f32)> = rows.iter().enumerate().map(|(row, tap)| (row, tap.1)).collect();
            map_row(seen, in_row, channels, &rows, &column_taps, mapped);
            round(mapped, output);
        });
    };
    // SAFETY: a row is rounded from one as long.
    unsafe { by_rows(input, channels, [rows, columns], map) }
}

/// Makes each row of output pixels by `map(image, taps of the row, row)`.
///
/// # Safety
///
/// The map writes its row whole and reads nothing of it before.
unsafe fn by_rows<T: Copy + Sync>(
    input: &[T],
    channels: usize,
    [rows, columns]: [&LinearMap; 2],
    map: impl Fn(&[T], &[(usize, f32)], &mut [T]) + Sync,
) -> Vec<T> {
    let (in_row, out_row) = (columns.inputs * channels, columns.outputs() * channels);
    let image = rows.inputs * in_row;
    let batch = input.len().checked_div(image).unwrap_or(0);
    let reach = |map: &LinearMap| map.taps.iter().flatten().all(|tap| tap.0 < map.inputs);
    assert!(input.len() == batch * image && reach(rows) && reach(columns));
    let row_taps = taps(rows);
    let task = |task: usize, shared: Shared<T>| {
        let (sample, row) = (task / row_taps.len(), task % row_taps.len());
        // SAFETY: rows do not overlap, and each is one task's.
        let output = unsafe { shared.slice(task * out_row, out_row) };
        map(&input[sample * image..][..image], &row_taps[row], output);
    };
    // SAFETY: the tasks are all rows of all images, each of which the map writes, by the caller's promise.
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
        let source = |(row, row_weight): (usize, f32), (column, column_weight): (usize, f32)| {
            (&image[row * in_row + column * channels..][..channels], row_weight * column_weight)
        };
        for (taps, output) in columns.iter().zip(output.chunks_exact_mut(channels)) {
            match (rows, &taps[..]) {
                // One pixel, and a square of four: nearest neighbours and means of two by two.
                (&[row], &[column]) => {
                    let (values, weight) = source(row, column);
                    for (sum, value) in output.iter_mut().zip(values) {
                        *sum = 0.0 + weight * value;
                    }
                }
                (&[above, below], &[left, right]) => {
                    let [(a, a_weight), (b, b_weight)] = [left, right].map(|column| source(above, column));
                    let [(c, c_weight), (d, d_weight)] = [left, right].map(|column| source(below, column));
                    for ((((sum, a), b), c), d) in output.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                        *sum = 0.0 + a_weight * a + b_weight * b + c_weight * c + d_weight * d;
                    }
                }
                _ => {
                    output.fill(0.0);
                    for &row in rows {
                        for &column in taps {
                            let (values, weight) = source(row, column);
                            for (sum, value) in output.iter_mut().zip(values) {
                                *sum += weight * value;
                            }
                        }
                    }
                }
            }
        }
    }
}
