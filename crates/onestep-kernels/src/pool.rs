//! The largest or the mean of neighbouring pixels.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::{Conv2dOptions, KernelOps, Rectifier};

/// What becomes of the pixels under a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pool {
    /// The largest.
    Max,
    /// The mean.
    Mean,
}

/// A window and how it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolOptions {
    /// What becomes of the pixels under the window.
    pub pool: Pool,
    /// Height and width of the window.
    pub kernel: usize,
    /// Step between windows, the same in both directions.
    pub stride: usize,
    /// How far windows reach beyond the image, on all sides.
    pub padding: usize,
    /// Cuts the result off.
    pub rectifier: Rectifier,
}

impl PoolOptions {
    pub(crate) fn output_shape(&self, [batch, height, width, channels]: [usize; 4]) -> [usize; 4] {
        let options = Conv2dOptions::new(self.stride, [self.padding; 4]);
        let [out_height, out_width] = options.output_size([height, width], [self.kernel; 2]);
        [batch, out_height, out_width, channels]
    }
}

/// Takes the largest or the mean of the pixels under each window, for each channel.
///
/// Only pixels of the image count: a mean at the edge is one of fewer pixels (`count_include_pad=False` elsewhere).
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, out_height, out_width, channels]`, see [`Conv2dOptions::output_size`]
///
/// # Panics
///
/// If the stride is 0, the window is larger than the padded image, or the padding is more than half of the window, so that
/// a window could see nothing.
pub fn pool2d(input: Tensor<4>, options: PoolOptions) -> Tensor<4> {
    options.output_shape(input.dims());
    assert!(2 * options.padding <= options.kernel, "pool2d: too much padding in {options:?}");
    Tensor::from_dispatch(<Dispatch as KernelOps>::pool2d(input.into_dispatch(), options))
}
