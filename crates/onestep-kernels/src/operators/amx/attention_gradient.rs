//! The gradient of attention by tiles.
//!
//! Five products of each head, for a run of queries after the other: its scores, the gradients of its probabilities, and what follows
//! from both for queries, keys and values. What a run adds to keys and values are outer products, whose sums stay where they are.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use super::super::heads::AttentionSizes;
use super::super::softmax::{softmax, softmax_gradient};
use super::attention::{PLANE, RUN, Rows};
use crate::blocking::{TileMatrix, spread, with_lines, with_scratch};
use crate::loops::{OuterProduct, Results, SUMS, TileJob, TileLoops};
use crate::simd::Line;

/// Lines of a tile.
const TILE: usize = 16;
/// Rows of a step.
const STEP: usize = 32;

/// The gradients of queries, keys and values of one head, `[tokens, width]` one after the other in `results`, from queries, keys, values
/// and the gradient of the result.
pub(crate) fn head_gradients(
    loops: &TileLoops,
    sizes: &AttentionSizes,
    [query, key, value, gradient]: [&[f32]; 4],
    results: &mut [f32],
) {
    let AttentionSizes { tokens, width, .. } = *sizes;
    let length = tokens * width;
    assert!([query, key, value, gradient].iter().all(|part| part.len() == length));
    let (d_query, rest) = results.split_at_mut(length);
    let (d_key, d_value) = rest.split_at_mut(length);
    let keys = TileMatrix::from_rows(loops, key, [1, tokens, width]);
    let [keys_turned, values_turned] =
        [key, value].map(|rows| TileMatrix::turned(loops, rows, [1, width, tokens]));
    let outer = Outer { loops, tokens, width };
    let (sums, left) = (outer.sums(), outer.left());
    let depth = width.max(tokens).div_ceil(32);
    with_lines(2 * sums + left + SUMS + depth * PLANE, |lines| {
        let (key_sums, rest) = lines.split_at_mut(sums);
        let (value_sums, rest) = rest.split_at_mut(sums);
        let (left, lines) = rest.split_at_mut(left);
        let stride = spread(tokens);
        with_scratch(2 * RUN * stride, |scratch| {
            let (scores, slopes) = scratch.split_at_mut(RUN * stride);
            for first in (0..tokens).step_by(RUN) {
                let count = RUN.min(tokens - first);
                let range = first * width..(first + count) * width;
                let (query, gradient) = (&query[range.clone()], &gradient[range.clone()]);
                let mut rows = Rows { loops, count, lines: &mut *lines };
                for (of_run, matrix, target) in
                    [(query, &keys_turned, &mut *scores), (gradient, &values_turned, &mut *slopes)]
                {
                    rows.pack(of_run, [width, width]);
                    let target = target.as_mut_ptr();
                    // SAFETY: scores and slopes are rows of tokens, as many as a run has.
                    unsafe {
                        rows.multiply(matrix, None, |at| Results::Full(target.wrapping_add(at)), stride)
                    };
                }
                let pairs = scores.chunks_exact_mut(stride).zip(slopes.chunks_exact_mut(stride));
                for (scores, slopes) in pairs.take(count) {
                    let (scores, slopes) = (&mut scores[..tokens], &mut slopes[..tokens]);
                    softmax(scores, sizes.scale());
                    softmax_gradient(scores, slopes, sizes.scale());
                }
                rows.pack(slopes, [tokens, stride]);
                let target = d_query[range].as_mut_ptr();
                // SAFETY: the run has `count` rows of the queries' gradient.
                unsafe { rows.multiply(&keys, None, |at| Results::Full(target.wrapping_add(at)), width) };
                outer.add([slopes, query], [count, stride], left, key_sums, first > 0);
                outer.add([scores, gradient], [count, stride], left, value_sums, first > 0);
            }
            outer.write(key_sums, d_key);
            outer.write(value_sums, d_value);
        });
    });
}

/// Sums over runs of rows of outer products: of a number for each token with a row of the head's width.
struct Outer<'a> {
    loops: &'a TileLoops,
    tokens: usize,
    width: usize,
}

impl Outer<'_> {
    /// Blocks of 32 tokens, and of 32 numbers of the width.
    fn blocks(&self) -> [usize; 2] {
        [self.tokens, self.width].map(|length| length.div_ceil(32))
    }

    /// Lines of all sums.
    fn sums(&self) -> usize {
        self.blocks()[0] * self.blocks()[1] * SUMS
    }

    /// Lines of a run's left side, packed.
    fn left(&self) -> usize {
        2 * self.blocks()[0] * RUN.div_ceil(STEP) * TILE
    }

    /// Adds the products of a run: `count` rows of tokens, `stride` apart, each with its row of the width.
    fn add(
        &self,
        [by_token, by_width]: [&[f32]; 2],
        [count, stride]: [usize; 2],
        left: &mut [Line],
        sums: &mut [Line],
        accumulate: bool,
    ) {
        let (blocks, steps) = (self.blocks(), count.div_ceil(STEP));
        assert!(by_token.len() >= (count - 1) * stride + self.tokens && stride >= self.tokens);
        assert!(left.len() >= self.left() && sums.len() == self.sums());
        for (index, tile) in left.chunks_exact_mut(TILE).take(2 * blocks[0] * steps).enumerate() {
            let (column, row) = (index / steps * TILE, index % steps * STEP);
            let job = TileJob {
                source: by_token[row * stride + column.min(self.tokens - 1)..].as_ptr(),
                stride,
                rows: STEP.min(count - row),
                columns: self.tokens.saturating_sub(column).min(TILE),
                target: tile.as_mut_ptr(),
            };
            // SAFETY: rows and columns are those that exist, and the target is a tile.
            unsafe { (self.loops.pack_as_lines)(&job) };
        }
        let right = TileMatrix::from_rows(self.loops, by_width, [1, count, self.width]);
        let offsets: Vec<usize> = (0..steps).map(|step| step * 2 * TILE * size_of::<Line>()).collect();
        let held = self.loops.hold();
        for (index, sums) in sums.chunks_exact_mut(SUMS).enumerate() {
            let (tokens, columns) = (index / blocks[1], right.group(index % blocks[1]));
            // SAFETY: tiles that were packed, two for each step on either side, and sums of two by two.
            unsafe {
                (self.loops.multiply_outer)(&OuterProduct {
                    left: [0, 1].map(|half| left[(2 * tokens + half) * steps * TILE..].as_ptr()),
                    right: [0, 1].map(|half| columns[half * TILE..].as_ptr()),
                    offsets: offsets.as_ptr(),
                    steps,
                    sums: sums.as_mut_ptr().cast(),
                    accumulate,
                });
            }
        }
        drop(held);
    }

    /// Writes the sums as rows, `[tokens, width]`.
    fn write(&self, sums: &[Line], target: &mut [f32]) {
        for (index, sums) in sums.chunks_exact(SUMS).enumerate() {
            let (token, column) = (index / self.blocks()[1] * 32, index % self.blocks()[1] * 32);
            let columns = (self.width - column).min(32);
            let rows = target.chunks_exact_mut(self.width).skip(token).take(32);
            for (row, sums) in rows.zip(sums.chunks_exact(2)) {
                let numbers = sums.iter().flat_map(|line| line.0).map(f32::from_bits);
                row[column..][..columns].iter_mut().zip(numbers).for_each(|(target, sum)| *target = sum);
            }
        }
    }
}
