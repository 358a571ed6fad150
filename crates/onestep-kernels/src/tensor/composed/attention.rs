//! Attention.

#[cfg(feature = "card")]
use burn::backend::DType;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorMetadata};
use burn::tensor::Slice;

use super::dtype::{in_full, to_dtype};

pub(crate) fn attention<B: Backend>(qkv: FloatTensor<B>, heads: usize) -> FloatTensor<B> {
    let (shape, dtype) = (qkv.shape(), qkv.dtype());
    let [batch, tokens, width] = [shape[0], shape[1], shape[2] / (3 * heads)];
    let qkv = B::float_reshape(qkv, Shape::from([batch, tokens, 3, heads, width]));
    let qkv = B::float_permute(qkv, &[2, 0, 3, 1, 4]); // [3, batch, heads, tokens, width]
    let [query, key, value] = [0, 1, 2].map(|part| {
        let part = B::float_slice(qkv.clone(), &[Slice::from(part..part + 1)]);
        B::float_reshape(part, Shape::from([batch, heads, tokens, width]))
    });
    let scores = B::float_matmul(query, B::float_swap_dims(key, 2, 3)); // [batch, heads, tokens, tokens]
    let scores = B::float_div_scalar(in_full::<B>(scores), (width as f64).sqrt().into());
    let attended = B::float_matmul(to_dtype::<B>(B::softmax(scores, 3), dtype), value);
    B::float_reshape(B::float_swap_dims(attended, 1, 2), Shape::from([batch, tokens, heads * width]))
}

/// The same with products of another type, if one is given; the result is of the type of the input.
#[cfg(feature = "card")]
pub(crate) fn attention_in<B: Backend>(
    qkv: FloatTensor<B>,
    heads: usize,
    dtype: Option<DType>,
) -> FloatTensor<B> {
    let stored = qkv.dtype();
    let qkv = to_dtype::<B>(qkv, dtype.unwrap_or(stored));
    to_dtype::<B>(attention::<B>(qkv, heads), stored)
}
