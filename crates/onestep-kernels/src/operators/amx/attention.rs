//! Attention by tiles.
//!
//! Keys and values of a head are packed once as matrices; a run of queries meets all keys, its scores are turned into
//! powers in f32, and the powers, packed again, meet the values. What makes them probabilities, a factor for each query, is applied
//! to the result.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use std::sync::OnceLock;

use super::super::heads::AttentionSizes;
use super::super::images::{Stored, Values};
use crate::blocking::{Shared, TileMatrix, each, filled, spread, with_lines, with_scratch};
use crate::loops::{
    COPIES, FinishJob, Numbers, PixelJob, Rectifier, Results, SUMS, SoftmaxJob, TileLoops, TileProduct,
};
use crate::simd::Line;

/// Queries of a run.
pub(super) const RUN: usize = 64;
/// Lines from 32 numbers of all rows of a run to the next.
pub(super) const PLANE: usize = RUN + 1;

/// The result, `[batch, tokens, heads · width]`, stored as queries, keys and values are.
pub(crate) fn attention(loops: &TileLoops, sizes: &AttentionSizes, qkv: Values) -> Stored {
    match qkv {
        Values::Full(_) => Stored::Full(run(loops, sizes, qkv, Results::Full)),
        Values::Half(_) => Stored::Half(run(loops, sizes, qkv, Results::Half)),
    }
}

fn run<T: Copy>(
    loops: &TileLoops,
    sizes: &AttentionSizes,
    qkv: Values,
    results: impl Fn(*mut T) -> Results + Sync,
) -> Vec<T> {
    let AttentionSizes { batch, tokens, heads, width } = *sizes;
    assert_eq!(qkv.len(), batch * tokens * 3 * sizes.channels());
    let packed: Vec<OnceLock<[TileMatrix; 2]>> = (0..batch * heads).map(|_| OnceLock::new()).collect();
    let pack = |head: usize| {
        packed[head].get_or_init(|| {
            with_scratch(tokens * width, |rows| {
                sizes.copy_part(qkv, [1, head], 0, rows);
                let keys = TileMatrix::turned(loops, rows, [1, width, tokens]);
                sizes.copy_part(qkv, [2, head], 0, rows);
                [keys, TileMatrix::from_rows(loops, rows, [1, tokens, width])]
            })
        })
    };
    each(batch * heads, |head| {
        pack(head);
    });
    let runs = tokens.div_ceil(RUN);
    let task = |task: usize, shared: Shared<T>| {
        let (head, first) = (task / runs, task % runs * RUN);
        let count = RUN.min(tokens - first);
        let [keys, values] = pack(head);
        let blocks = width.max(tokens).div_ceil(32);
        with_lines(SUMS + blocks * PLANE, |lines| {
            // A power of two apart, rows of scores would fall into the same few sets of a cache.
            let stride = spread(tokens);
            with_scratch(count * (stride + width), |scratch| {
                let (scores, query) = scratch.split_at_mut(count * stride);
                sizes.copy_part(qkv, [0, head], first, query);
                let mut rows = Rows { loops, count, lines };
                rows.pack(query, [width, width]);
                let target = scores.as_mut_ptr();
                // SAFETY: the scores are `count` rows of tokens.
                unsafe { rows.multiply(keys, None, |at| Results::Full(target.wrapping_add(at)), stride) };
                let inverse = rows.pack_probabilities(scores, [tokens, stride], sizes.scale());
                let start = (head / heads * tokens + first) * sizes.channels() + head % heads * width;
                // SAFETY: a task has a run of tokens of one head, whose numbers are no other task's.
                unsafe {
                    rows.multiply(
                        values,
                        Some(&inverse),
                        |at| results(shared.pointer(start + at)),
                        sizes.channels(),
                    )
                };
            });
        });
    };
    // SAFETY: the tasks are all runs of tokens of all heads, and heads times their width are the channels.
    unsafe { filled(batch * tokens * sizes.channels(), batch * heads * runs, task) }
}

/// Rows packed as the left side of products, behind the sums of two tiles by two.
pub(super) struct Rows<'a> {
    pub loops: &'a TileLoops,
    pub count: usize,
    pub lines: &'a mut [Line],
}

impl Rows<'_> {
    /// Packs rows of `depth` numbers, `stride` apart.
    pub(super) fn pack(&mut self, rows: &[f32], [depth, stride]: [usize; 2]) {
        assert!(rows.len() >= (self.count - 1) * stride + depth && stride >= depth);
        assert!(self.lines.len() >= SUMS + depth.div_ceil(32) * PLANE);
        let (mut targets, mut spans) = ([std::ptr::null_mut(); COPIES], [[0; 2]; COPIES]);
        (targets[0], spans[0]) = (self.lines[SUMS..].as_mut_ptr(), [0, self.count]);
        let job = PixelJob {
            source: Numbers::Full(rows.as_ptr()),
            pixels: self.count,
            channels: depth,
            stride,
            affine: [std::ptr::null(); 2],
            silu: false,
            plane: PLANE,
            targets,
            spans,
        };
        // SAFETY: the rows are as many, and there are lines for all of their blocks, as was checked.
        unsafe { (self.loops.pack_pixels)(&job) };
    }

    /// Packs rows of scores as powers, and returns what makes each row's probabilities of them.
    fn pack_probabilities(&mut self, scores: &[f32], [tokens, stride]: [usize; 2], scale: f32) -> [f32; RUN] {
        let lines = SUMS + tokens.div_ceil(32) * PLANE;
        assert!(
            scores.len() == self.count * stride
                && (1..=stride).contains(&tokens)
                && self.lines.len() >= lines
        );
        let mut inverse = [0.0; RUN];
        let job = SoftmaxJob {
            scores: scores.as_ptr(),
            stride,
            rows: self.count,
            tokens,
            scale,
            target: self.lines[SUMS..].as_mut_ptr(),
            plane: PLANE,
            inverse: inverse.as_mut_ptr(),
        };
        // SAFETY: the rows are as many, at most as many as a run has, and there are lines for all of their blocks.
        unsafe { (self.loops.softmax_lines)(&job) };
        inverse
    }

    /// Multiplies the packed rows with a matrix of their depth, and each row of the result with its factor.
    ///
    /// # Safety
    ///
    /// The target is good for all columns of `count` rows, `stride` numbers apart, and no other task's.
    pub(super) unsafe fn multiply(
        &mut self,
        matrix: &TileMatrix,
        factors: Option<&[f32; RUN]>,
        target: impl Fn(usize) -> Results,
        stride: usize,
    ) {
        assert!(self.lines.len() >= SUMS + matrix.blocks() * PLANE);
        let offsets: Vec<usize> =
            (0..matrix.blocks()).map(|block| block * PLANE * size_of::<Line>()).collect();
        let (sums, rows) = self.lines.split_at_mut(SUMS);
        let sums = sums.as_mut_ptr().cast::<f32>();
        let held = self.loops.hold();
        for group in 0..matrix.wide() {
            let channels = (matrix.columns - group * 32).min(32);
            for row in (0..self.count).step_by(32) {
                let count = (self.count - row).min(32);
                // SAFETY: rows that were packed, or lines of the buffer behind them whose products are dropped; the matrix has two
                // tiles a step, the sums have room for two by two, and the target is the caller's promise.
                unsafe {
                    (self.loops.multiply)(&TileProduct {
                        left: [row, row + 16].map(|row| rows[row..].as_ptr()),
                        offsets: offsets.as_ptr(),
                        right: matrix.group(group).as_ptr(),
                        steps: matrix.steps(),
                        ahead: matrix.group((group + 1) % matrix.wide()).as_ptr(),
                        sums,
                        tall: count > 16,
                        wide: channels > 16,
                        passing: false,
                    });
                    if let Some(factors) = factors {
                        let sums = std::slice::from_raw_parts_mut(sums, count * 32);
                        for (sums, factor) in sums.chunks_exact_mut(32).zip(&factors[row..]) {
                            sums.iter_mut().for_each(|sum| *sum *= factor);
                        }
                    }
                    (self.loops.finish)(&FinishJob {
                        sums,
                        pixels: count,
                        channels,
                        bias: std::ptr::null(),
                        residual: None,
                        results: target(row * stride + group * 32),
                        stride,
                        factor: 1.0,
                        bounds: Rectifier::None.bounds(),
                        moments: std::ptr::null_mut(),
                    });
                }
            }
        }
        drop(held);
    }
}
