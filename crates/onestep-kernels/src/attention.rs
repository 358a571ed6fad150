//! Scaled dot-product attention.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::KernelOps;

/// Returns softmax(q kᵀ / √width) v for every head.
///
/// The softmax is taken in f32 also where the tensors are half precision.
///
/// # Shapes
///
/// - `query`: `[batch, heads, tokens, width]`
/// - `key`, `value`: `[batch, heads, key_tokens, width]`
/// - result: that of `query`
///
/// # Panics
///
/// If the shapes disagree.
///
/// # Source
///
/// Vaswani et al. 2017 (arXiv:1706.03762), eq. 1.
pub fn attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let ([batch, heads, _, width], key_shape) = (query.dims(), key.dims());
    assert!(
        key_shape == [batch, heads, key_shape[2], width] && value.dims() == key_shape,
        "attention: query {:?}, key {key_shape:?} and value {:?} do not fit together",
        query.dims(),
        value.dims(),
    );
    Tensor::from_dispatch(<Dispatch as KernelOps>::attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
    ))
}
