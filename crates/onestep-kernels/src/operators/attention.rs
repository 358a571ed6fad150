//! Attention and its gradients.
//!
//! A run of queries meets all keys of its head at once: its scores are a small matrix in cache, turned into probabilities
//! in place. The gradient computes the probabilities again, so nothing of that size is kept.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the outputs")]

use std::sync::OnceLock;

use super::amx;
use super::dense::{Matrix, rows_times};
pub(crate) use super::heads::AttentionSizes;
use super::images::{Stored, Values};
use super::softmax::{softmax, softmax_gradient};
use crate::blocking::{
    PairPanels, Panels, RowTable, Shared, Strip, each, filled, outer_rows, product, spread, with_scratch,
};
use crate::loops::Kernels;
use crate::simd::Precision;

/// Queries of a run: a multiple of all tile heights.
const RUN: usize = 48;

/// The result, `[batch, tokens, heads · width]`: by tiles stored as queries, keys and values are, else in f32.
pub(crate) fn forward(
    kernels: &Kernels,
    sizes: &AttentionSizes,
    qkv: Values,
    precision: Precision,
) -> Stored {
    // What is stored in bf16 loses nothing more by tiles.
    let halves = matches!(qkv, Values::Half(_));
    match kernels.tiles.filter(|_| halves || precision == Precision::Bf16) {
        Some(loops) => amx::attention(&loops, sizes, qkv),
        None => Stored::Full(by_vectors(kernels, sizes, &qkv.widened(), precision)),
    }
}

/// A matrix that rows of queries or of probabilities are multiplied with.
enum Packed {
    Full(Panels),
    Pairs(PairPanels),
}

impl Packed {
    fn new(kernels: &Kernels, panels: Panels, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Full(panels),
            Precision::Bf16 => Self::Pairs(PairPanels::new(kernels, &panels)),
        }
    }

    fn matrix(&self) -> Matrix<'_> {
        match self {
            Self::Full(panels) => Matrix::Full(panels),
            Self::Pairs(panels) => Matrix::Pairs(panels),
        }
    }
}

/// In bf16 both products are of rounded numbers, added up in f32; the softmax is f32.
fn by_vectors(kernels: &Kernels, sizes: &AttentionSizes, qkv: &[f32], precision: Precision) -> Vec<f32> {
    let AttentionSizes { batch, tokens, heads, width } = *sizes;
    assert_eq!(qkv.len(), batch * tokens * 3 * sizes.channels());
    let packed: Vec<OnceLock<[Packed; 2]>> = (0..batch * heads).map(|_| OnceLock::new()).collect();
    let pack = |head: usize| {
        packed[head].get_or_init(|| {
            with_scratch(tokens * width, |rows| {
                sizes.copy_part(Values::Full(qkv), [1, head], 0, rows);
                let keys = Panels::from_columns(kernels, rows, 1, width, tokens);
                sizes.copy_part(Values::Full(qkv), [2, head], 0, rows);
                let values = Panels::from_rows(kernels, rows, tokens, width);
                [keys, values].map(|panels| Packed::new(kernels, panels, precision))
            })
        })
    };
    each(batch * heads, |head| {
        pack(head);
    });
    let runs = tokens.div_ceil(RUN);
    // A power of two apart, rows would fall into the same few sets of a cache; and products write whole panels.
    let [score_row, output_row] = [tokens, width].map(|columns| spread(kernels.padded(columns)));
    let task = |task: usize, shared: Shared| {
        let (head, first) = (task / runs, task % runs * RUN);
        let count = RUN.min(tokens - first);
        let [keys, values] = pack(head);
        with_scratch(count * (score_row + output_row + width), |scratch| {
            let (scores, rest) = scratch.split_at_mut(count * score_row);
            let (output, query) = rest.split_at_mut(count * output_row);
            sizes.copy_part(Values::Full(qkv), [0, head], first, query);
            rows_times(kernels, [query, scores], [width, score_row], keys.matrix());
            for row in scores.chunks_exact_mut(score_row) {
                softmax(&mut row[..tokens], sizes.scale());
            }
            rows_times(kernels, [scores, output], [score_row, output_row], values.matrix());
            let start = (head / heads * tokens + first) * sizes.channels() + head % heads * width;
            for (row, output) in output.chunks_exact(output_row).enumerate() {
                // SAFETY: a task has a run of tokens of one head, whose numbers are no other task's.
                let target = unsafe { shared.slice(start + row * sizes.channels(), width) };
                target.copy_from_slice(&output[..width]);
            }
        });
    };
    // SAFETY: the tasks are all runs of tokens of all heads, and heads times their width are the channels.
    unsafe { filled(batch * tokens * sizes.channels(), batch * heads * runs, task) }
}

/// The gradient with respect to queries, keys and values, from that of the result. In bf16, where there are tiles, all five products
/// of it are of rounded numbers, added up in f32; else everything is f32.
pub(crate) fn backward(
    kernels: &Kernels,
    sizes: &AttentionSizes,
    qkv: &[f32],
    gradient: &[f32],
    precision: Precision,
) -> Vec<f32> {
    let AttentionSizes { batch, tokens, heads, width } = *sizes;
    assert_eq!(qkv.len(), batch * tokens * 3 * sizes.channels());
    assert_eq!(3 * gradient.len(), qkv.len());
    let length = tokens * width;
    let task = |head: usize, shared: Shared| {
        with_scratch(7 * length, |scratch| {
            let (inputs, results) = scratch.split_at_mut(4 * length);
            let (query, rest) = inputs.split_at_mut(length);
            let (key, rest) = rest.split_at_mut(length);
            let (value, gradient_rows) = rest.split_at_mut(length);
            sizes.copy_part(Values::Full(qkv), [0, head], 0, query);
            sizes.copy_part(Values::Full(qkv), [1, head], 0, key);
            sizes.copy_part(Values::Full(qkv), [2, head], 0, value);
            sizes.copy_result(gradient, head, 0, gradient_rows);
            let inputs = [&*query, key, value, gradient_rows];
            match kernels.tiles.filter(|_| precision == Precision::Bf16) {
                Some(loops) => amx::head_gradients(&loops, sizes, inputs, results),
                None => head_gradients(kernels, sizes, inputs, results),
            }
            for (part, result) in results.chunks_exact(length.max(1)).enumerate() {
                let start = head / heads * tokens * 3 * sizes.channels() + part * sizes.channels();
                for (token, row) in result.chunks_exact(width).enumerate() {
                    let at = start + token * 3 * sizes.channels() + head % heads * width;
                    // SAFETY: a task has one head, whose part of a token's numbers is no other task's.
                    unsafe { shared.slice(at, width) }.copy_from_slice(row);
                }
            }
        });
    };
    // SAFETY: the tasks are all heads, each of which writes queries, keys and values of all tokens.
    unsafe { filled(qkv.len(), batch * heads, task) }
}

/// The gradients of queries, keys and values of one head, one after the other in `results`.
fn head_gradients(
    kernels: &Kernels,
    sizes: &AttentionSizes,
    [query, key, value, gradient]: [&[f32]; 4],
    results: &mut [f32],
) {
    let AttentionSizes { tokens, width, .. } = *sizes;
    let (d_query, rest) = results.split_at_mut(tokens * width);
    let (d_key, d_value) = rest.split_at_mut(tokens * width);
    let keys_by_columns = Panels::from_columns(kernels, key, 1, width, tokens);
    let keys_by_rows = Panels::from_rows(kernels, key, tokens, width);
    let values_by_columns = Panels::from_columns(kernels, value, 1, width, tokens);
    for first in (0..tokens).step_by(RUN) {
        let count = RUN.min(tokens - first);
        let range = first * width..(first + count) * width;
        let (query, gradient) = (&query[range.clone()], &gradient[range.clone()]);
        let rows = RowTable::dense(kernels, count, width);
        with_scratch(2 * count * tokens, |scratch| {
            let (scores, slopes) = scratch.split_at_mut(count * tokens);
            product(kernels, query, &rows, &keys_by_columns, scores);
            scores.chunks_exact_mut(tokens).for_each(|row| softmax(row, sizes.scale()));
            let strip = Strip::dense(count);
            outer_rows(kernels, [scores, gradient], &strip, [tokens, width], d_value, first > 0);
            product(kernels, gradient, &rows, &values_by_columns, slopes);
            let pairs = scores.chunks_exact(tokens).zip(slopes.chunks_exact_mut(tokens));
            pairs.for_each(|(probabilities, slopes)| softmax_gradient(probabilities, slopes, sizes.scale()));
            let slope_rows = RowTable::dense(kernels, count, tokens);
            product(kernels, slopes, &slope_rows, &keys_by_rows, &mut d_query[range]);
            outer_rows(kernels, [slopes, query], &strip, [tokens, width], d_key, first > 0);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::{assert_close, numbers};
    use crate::simd::Level;

    #[test]
    fn rounded_products_are_near_the_exact_ones_at_every_instruction_set() {
        for (tokens, heads, width) in [(1, 1, 1), (5, 2, 3), (49, 1, 16), (130, 3, 40)] {
            let sizes = AttentionSizes::new([2, tokens, 3 * heads * width], heads);
            let qkv: Vec<f32> = numbers(2 * tokens * 3 * heads * width, 5).iter().map(|x| 2.0 * x).collect();
            let run = |level, precision| by_vectors(&Kernels::of(level), &sizes, &qkv, precision);
            let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
            let exact = wide(run(Level::Portable, Precision::F32));
            for level in Level::available() {
                let what = format!("{tokens} tokens of {heads} heads at {level:?}");
                assert_close(&run(level, Precision::F32), &exact, 3e-6, &what);
                let rounded = run(level, Precision::Bf16);
                // 0.02: 2⁻⁹ for each factor of two products, and scores of up to 4 · width times it in the exponent.
                assert_close(&rounded, &exact, 0.02, &what);
                assert!(tokens == 1 || wide(rounded) != exact, "{what}: nothing was rounded");
            }
        }
    }
}
