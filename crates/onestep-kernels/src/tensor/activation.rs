//! Activation functions.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::KernelOps;

/// Returns x · sigmoid(x), elementwise.
///
/// # Shapes
///
/// Any, kept.
///
/// # Source
///
/// Elfwing et al. 2017 (arXiv:1702.03118); `torch.nn.functional.silu`.
pub fn silu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as KernelOps>::silu(input.into_dispatch()))
}
