//! The largest or the mean of neighbouring pixels.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::KernelOps;
use crate::operators::PoolOptions;

/// Takes the largest or the mean of the pixels under each window, for each channel.
///
/// Only pixels of the image count: a mean at the edge is one of fewer pixels (`count_include_pad=False` elsewhere).
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, out_height, out_width, channels]`, see [`Conv2dOptions::output_size`](crate::Conv2dOptions::output_size)
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
