//! Scores of attention on their way to lines of probabilities.

#![allow(
    unsafe_code,
    reason = "the inner loops work on raw pointers; every caller states what it guarantees"
)]

use super::pixels::load_full;
use crate::simd::{Line, Lines};

/// Rows of scores to be packed as e to the power of `scale` times what they are less than the largest of their row.
pub(crate) struct SoftmaxJob {
    /// `[rows][tokens]`, rows `stride` apart.
    pub scores: *const f32,
    pub stride: usize,
    pub rows: usize,
    pub tokens: usize,
    pub scale: f32,
    /// Lines of 32 tokens, one a row, with zeros beyond the last token; then those of the next 32, `plane` lines on.
    pub target: *mut Line,
    pub plane: usize,
    /// For each row one over the sum of its powers.
    pub inverse: *mut f32,
}

/// Runs a [`SoftmaxJob`].
///
/// # Safety
///
/// The machine has the instructions of `S`, there is a token at least, and the pointers of the job are valid for what its
/// documentation says is read or written.
#[inline(always)]
pub(super) unsafe fn softmax_lines<S: Lines>(job: &SoftmaxJob) {
    let tokens = job.tokens;
    for row in 0..job.rows {
        // SAFETY: the caller's promise.
        unsafe {
            let scores = job.scores.add(row * job.stride);
            let largest = largest::<S>(scores, tokens);
            // e to the power of x is 2 to that of x · log₂ e.
            let scale = job.scale * std::f32::consts::LOG2_E;
            let (factor, term) = (S::splat(scale), S::splat(-largest * scale));
            let mut sums = S::splat(0.0);
            for block in 0..tokens.div_ceil(32) {
                let mut halves = [S::splat(0.0); 2];
                for (half, powers) in halves.iter_mut().enumerate() {
                    let token = block * 32 + half * 16;
                    if token + 16 <= tokens {
                        *powers = S::exp2(S::mul_add(S::load(scores.add(token)), factor, term));
                    } else if token < tokens {
                        let valid = tokens - token;
                        let all = S::exp2(S::mul_add(load_full::<S>(scores.add(token), valid), factor, term));
                        let mut kept = [0.0f32; 16];
                        S::store_first(kept.as_mut_ptr(), all, valid);
                        *powers = S::load(kept.as_ptr());
                    }
                    sums = S::add(sums, *powers);
                }
                S::store_line(job.target.add(block * job.plane + row), S::joined(halves[0], halves[1]));
            }
            let mut lanes = [0.0f32; 16];
            S::store(lanes.as_mut_ptr(), sums);
            *job.inverse.add(row) = 1.0 / lanes.iter().sum::<f32>();
        }
    }
}

#[inline(always)]
unsafe fn largest<S: Lines>(scores: *const f32, tokens: usize) -> f32 {
    // SAFETY: the caller's promise: as many scores are read as there are.
    unsafe {
        let whole = tokens / 16 * 16;
        let mut largest = f32::NEG_INFINITY;
        if whole > 0 {
            let mut vector = S::load(scores);
            for token in (16..whole).step_by(16) {
                vector = S::max(S::load(scores.add(token)), vector);
            }
            let mut lanes = [0.0f32; 16];
            S::store(lanes.as_mut_ptr(), vector);
            for lane in lanes {
                largest = if lane > largest { lane } else { largest };
            }
        }
        for token in whole..tokens {
            let score = *scores.add(token);
            largest = if score > largest { score } else { largest };
        }
        largest
    }
}
