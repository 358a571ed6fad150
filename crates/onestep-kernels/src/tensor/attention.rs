//! Scaled dot-product attention.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::KernelOps;
use crate::simd::Precision;

/// Lets every token of a sample attend to all: softmax(q kᵀ / √width) v for every head.
///
/// `precision` is that of the two products, where the CPU computes in it ([`Precision::here`]); their gradients are f32. The softmax is
/// taken in f32 also where the tensors are half precision. No matrix of tokens by tokens is kept.
///
/// # Shapes
///
/// - `qkv`: `[batch, tokens, 3 · heads · width]`, in the order (query, key and value; head; width)
/// - result: `[batch, tokens, heads · width]`
///
/// # Panics
///
/// If `3 · heads` does not divide the last axis.
///
/// # Source
///
/// Vaswani et al. 2017 (arXiv:1706.03762), eq. 1.
pub fn attention(qkv: Tensor<3>, heads: usize, precision: Precision) -> Tensor<3> {
    let width = qkv.dims()[2];
    assert!(
        heads > 0 && width.is_multiple_of(3 * heads),
        "attention: the last of {:?} is not three times {heads} heads",
        qkv.dims()
    );
    Tensor::from_dispatch(<Dispatch as KernelOps>::attention(qkv.into_dispatch(), heads, precision.here()))
}
