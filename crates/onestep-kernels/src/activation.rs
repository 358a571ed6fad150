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

/// What is done to the result of a convolution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Rectifier {
    /// Nothing.
    #[default]
    None,
    /// Negative values become 0.
    Relu,
    /// Negative values become 0, values above 6 become 6.
    Relu6,
}

impl Rectifier {
    /// The smallest and the largest value that stays as it is.
    pub const fn bounds(self) -> [f32; 2] {
        match self {
            Self::None => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Relu6 => [0.0, 6.0],
        }
    }
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
