//! Dropout.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::KernelOps;
use crate::operators::DropoutMask;

/// Multiplies by a mask of dropout; so does its gradient, which draws the mask again instead of keeping it.
///
/// # Shapes
///
/// `[batch, height, width, channels]`, kept; the mask has `batch` streams, whose words follow the numbers of a sample in order.
///
/// # Randomness
///
/// The mask is a function of its streams: one word for each number of the input.
///
/// # Panics
///
/// If the mask is one of another number of samples.
///
/// # Source
///
/// Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", with the division by the
/// probability to keep in training, as in `torch.nn.functional.dropout`.
pub fn dropout(input: Tensor<4>, mask: DropoutMask) -> Tensor<4> {
    let [batch, ..] = input.dims();
    assert_eq!(batch, mask.batch(), "dropout: a batch of {batch} and a mask of {} samples", mask.batch());
    Tensor::from_dispatch(<Dispatch as KernelOps>::dropout(input.into_dispatch(), mask))
}
