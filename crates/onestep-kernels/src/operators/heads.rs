//! Where the heads of attention lie in its tensors.

use super::images::Values;
use crate::loops::widen;

/// The sizes of one attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionSizes {
    pub batch: usize,
    pub tokens: usize,
    pub heads: usize,
    pub width: usize,
}

impl AttentionSizes {
    /// Those of queries, keys and values in one, `[batch, tokens, 3 · heads · width]`.
    pub(crate) fn new([batch, tokens, all]: [usize; 3], heads: usize) -> Self {
        Self { batch, tokens, heads, width: all / (3 * heads) }
    }

    pub(super) fn channels(&self) -> usize {
        self.heads * self.width
    }

    pub(super) fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// Copies some tokens of one head together: of the queries (0), the keys (1) or the values (2).
    pub(super) fn copy_part(&self, qkv: Values, [part, head]: [usize; 2], first: usize, target: &mut [f32]) {
        let (sample, head) = (head / self.heads, head % self.heads);
        let start = (sample * self.tokens + first) * 3 * self.channels() + part * self.channels();
        let (start, stride) = (start + head * self.width, 3 * self.channels());
        match qkv {
            Values::Full(qkv) => copy_rows(&qkv[start..], stride, target, self.width),
            Values::Half(qkv) => {
                for (row, target) in target.chunks_exact_mut(self.width).enumerate() {
                    widen(&qkv[start + row * stride..][..self.width], target);
                }
            }
        }
    }

    /// Copies some tokens of one head of a tensor like the result together.
    pub(super) fn copy_result(&self, values: &[f32], head: usize, first: usize, target: &mut [f32]) {
        let (sample, head) = (head / self.heads, head % self.heads);
        let start = (sample * self.tokens + first) * self.channels() + head * self.width;
        copy_rows(&values[start..], self.channels(), target, self.width);
    }
}

/// Copies the first `width` numbers of rows `stride` apart together.
fn copy_rows(source: &[f32], stride: usize, target: &mut [f32], width: usize) {
    for (row, target) in target.chunks_exact_mut(width).enumerate() {
        target.copy_from_slice(&source[row * stride..][..width]);
    }
}
