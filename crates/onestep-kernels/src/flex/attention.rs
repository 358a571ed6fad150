//! Attention and its gradients in f32.
//!
//! A run of queries meets all keys of its head at once: its scores are a small matrix in cache, turned into probabilities
//! in place. The gradient computes the probabilities again, so nothing of that size is kept.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the outputs")]

use std::sync::OnceLock;

use super::elementwise::{exp, vectorised};
use super::memory::{Shared, filled, filled_each, with_scratch};
use super::outer::{Strip, outer_rows};
use super::panels::Panels;
use super::product::{RowTable, product};
use super::threads::each;
use super::tile::Kernels;

/// Sizes of a call; `heads` counts those of all samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub heads: usize,
    pub tokens: usize,
    pub key_tokens: usize,
    pub width: usize,
}

/// Queries of a run: a multiple of all tile heights.
const RUN: usize = 48;

impl Sizes {
    fn queries<'a>(&self, values: &'a [f32], head: usize) -> &'a [f32] {
        &values[head * self.tokens * self.width..][..self.tokens * self.width]
    }

    fn keys<'a>(&self, values: &'a [f32], head: usize) -> &'a [f32] {
        &values[head * self.key_tokens * self.width..][..self.key_tokens * self.width]
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

pub(crate) fn forward(
    kernels: &Kernels,
    sizes: &Sizes,
    query: &[f32],
    key: &[f32],
    value: &[f32],
) -> Vec<f32> {
    let Sizes { heads, tokens, key_tokens, width } = *sizes;
    let packed: Vec<OnceLock<[Panels; 2]>> = (0..heads).map(|_| OnceLock::new()).collect();
    let pack = |head: usize| {
        packed[head].get_or_init(|| {
            let keys = Panels::from_columns(kernels, sizes.keys(key, head), 1, width, key_tokens);
            [keys, Panels::from_rows(kernels, sizes.keys(value, head), key_tokens, width)]
        })
    };
    each(heads, |head| {
        pack(head);
    });
    let runs = tokens.div_ceil(RUN);
    let task = |task: usize, shared: Shared| {
        let (head, first) = (task / runs, task % runs * RUN);
        let count = RUN.min(tokens - first);
        let query = &sizes.queries(query, head)[first * width..][..count * width];
        let [keys, values] = pack(head);
        // SAFETY: each task has its own rows and writes them whole.
        let output = unsafe { shared.slice((head * tokens + first) * width, count * width) };
        with_scratch(count * key_tokens, |scores| {
            product(kernels, query, &RowTable::dense(kernels, count, width), keys, scores);
            scores.chunks_exact_mut(key_tokens).for_each(|row| softmax(row, sizes.scale()));
            product(kernels, scores, &RowTable::dense(kernels, count, key_tokens), values, output);
        });
    };
    // SAFETY: as above.
    unsafe { filled(heads * tokens * width, heads * runs, task) }
}

/// The gradients with respect to query, key and value.
pub(crate) fn backward(
    kernels: &Kernels,
    sizes: &Sizes,
    [query, key, value]: [&[f32]; 3],
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let Sizes { heads, tokens, key_tokens, width } = *sizes;
    let task = |head: usize, [query_shared, key_shared, value_shared]: [Shared; 3]| {
        let (key, value) = (sizes.keys(key, head), sizes.keys(value, head));
        let keys_by_columns = Panels::from_columns(kernels, key, 1, width, key_tokens);
        let keys_by_rows = Panels::from_rows(kernels, key, key_tokens, width);
        let values_by_columns = Panels::from_columns(kernels, value, 1, width, key_tokens);
        let length = key_tokens * width;
        // SAFETY: each task has its own head and writes it whole.
        let (d_query, d_key, d_value) = unsafe {
            let d_query = query_shared.slice(head * tokens * width, tokens * width);
            (d_query, key_shared.slice(head * length, length), value_shared.slice(head * length, length))
        };
        for first in (0..tokens).step_by(RUN) {
            let count = RUN.min(tokens - first);
            let range = first * width..(first + count) * width;
            let query = &sizes.queries(query, head)[range.clone()];
            let gradient = &sizes.queries(gradient, head)[range.clone()];
            let rows = RowTable::dense(kernels, count, width);
            with_scratch(2 * count * key_tokens, |scratch| {
                let (scores, slopes) = scratch.split_at_mut(count * key_tokens);
                product(kernels, query, &rows, &keys_by_columns, scores);
                scores.chunks_exact_mut(key_tokens).for_each(|row| softmax(row, sizes.scale()));
                let strip = Strip::dense(count);
                outer_rows(kernels, [scores, gradient], &strip, [key_tokens, width], d_value, first > 0);
                product(kernels, gradient, &rows, &values_by_columns, slopes);
                let pairs = scores.chunks_exact(key_tokens).zip(slopes.chunks_exact_mut(key_tokens));
                pairs.for_each(|(probabilities, slopes)| {
                    softmax_gradient(probabilities, slopes, sizes.scale())
                });
                let slope_rows = RowTable::dense(kernels, count, key_tokens);
                product(kernels, slopes, &slope_rows, &keys_by_rows, &mut d_query[range]);
                outer_rows(kernels, [slopes, query], &strip, [key_tokens, width], d_key, first > 0);
            });
        }
        if tokens == 0 {
            d_key.fill(0.0);
            d_value.fill(0.0);
        }
    };
    let key_length = heads * key_tokens * width;
    // SAFETY: as above.
    unsafe { filled_each([heads * tokens * width, key_length, key_length], heads, task) }
}

const LANES: usize = 16;

vectorised! {
    /// Replaces scores by the softmax of `scale` times them.
    fn softmax(row: &mut [f32], scale: f32) {
        let mut largest = [f32::NEG_INFINITY; LANES];
        for values in row.chunks(LANES) {
            for (largest, value) in largest.iter_mut().zip(values) {
                *largest = if *value > *largest { *value } else { *largest };
            }
        }
        let mut maximum = largest[0];
        for value in largest {
            maximum = if value > maximum { value } else { maximum };
        }
        for value in row.iter_mut() {
            *value = exp((*value - maximum) * scale);
        }
        let factor = 1.0 / sum(row);
        for value in row.iter_mut() {
            *value *= factor;
        }
    }
}

vectorised! {
    /// Replaces the gradients of probabilities by those of the scores they came from.
    fn softmax_gradient(probabilities: &[f32], gradients: &mut [f32], scale: f32) {
        let mut sums = [0.0f32; LANES];
        for (probabilities, gradients) in probabilities.chunks(LANES).zip(gradients.chunks(LANES)) {
            for ((sum, probability), gradient) in sums.iter_mut().zip(probabilities).zip(gradients) {
                *sum += probability * gradient;
            }
        }
        let mean = sum(&sums);
        for (gradient, probability) in gradients.iter_mut().zip(probabilities) {
            *gradient = probability * (*gradient - mean) * scale;
        }
    }
}

/// The sum in an order that depends on the length alone.
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for values in values.chunks(LANES) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    let mut total = 0.0;
    for sum in sums {
        total += sum;
    }
    total
}
