//! Activation functions.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::KernelOps;

/// The activation applied after a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The value itself.
    None,
    /// x · sigmoid(x), also known as swish.
    Silu,
}

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
