//! Two-dimensional convolution of each channel by itself, channels last.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{KernelOps, Optional};
use crate::operators::DepthwiseOptions;

/// Convolves each channel with a kernel of its own, adds the bias and cuts the result off.
///
/// # Shapes
///
/// - `input`: `[batch, height, width, channels]`
/// - `weight`: `[kernel_h, kernel_w, channels]`
/// - `bias`: `[channels]`
/// - result: `[batch, out_height, out_width, channels]`, see [`Conv2dOptions::output_size`](crate::Conv2dOptions::output_size)
///
/// # Panics
///
/// If the shapes disagree, the stride is 0, or the kernel is larger than the padded input.
pub fn depthwise_conv2d(
    input: Tensor<4>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    options: DepthwiseOptions,
) -> Tensor<4> {
    let ([_, height, width, channels], [kernel_h, kernel_w, kernels]) = (input.dims(), weight.dims());
    assert!(
        channels == kernels && bias.as_ref().is_none_or(|bias| bias.dims() == [channels]),
        "depthwise_conv2d: input {:?}, weight {:?} and bias {:?} do not fit together",
        input.dims(),
        weight.dims(),
        bias.as_ref().map(Tensor::dims),
    );
    options.conv.output_size([height, width], [kernel_h, kernel_w]);
    Tensor::from_dispatch(<Dispatch as KernelOps>::depthwise_conv2d(
        input.into_dispatch(),
        weight.into_dispatch(),
        Optional::from_tensor(bias),
        options,
    ))
}
