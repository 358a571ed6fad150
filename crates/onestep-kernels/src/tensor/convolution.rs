//! Two-dimensional convolution, channels last.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{KernelOps, Optional};
use crate::operators::{self, Conv2dOptions};

/// Convolves each image with the weights (cross-correlation, as in every deep-learning library) and adds the bias.
///
/// # Shapes
///
/// - `input`: `[batch, height, width, in]`
/// - `weight`: `[kernel_h, kernel_w, in, out]`
/// - `bias`: `[out]`
/// - result: `[batch, out_height, out_width, out]`, see [`Conv2dOptions::output_size`]
///
/// # Panics
///
/// If the shapes disagree, the stride is 0, or the kernel is larger than the padded input.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use onestep_kernels::{Conv2dOptions, conv2d};
///
/// let device = Device::flex();
/// let image = Tensor::<4>::ones([1, 4, 4, 3], &device);
/// let weight = Tensor::<4>::ones([3, 3, 3, 2], &device);
/// let output = conv2d(image, weight, None, Conv2dOptions::same(3));
/// assert_eq!(output.dims(), [1, 4, 4, 2]);
/// // The corner sees four of nine pixels, three channels each.
/// assert_eq!(output.into_data().try_to_vec::<f32>().unwrap()[0], 12.0);
/// ```
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: Conv2dOptions,
) -> Tensor<4> {
    let bias = bias.map(|bias| bias.unsqueeze_dim(0));
    Convolution { bias, ..Convolution::new(input, weight, options) }.forward()
}

/// A convolution with what stands before and after it in a residual block, computed in one go.
///
/// rectifier(factor · (conv2d(norm(input)) + bias + residual)), where what is not given is left out. On the CPU the normalised input is
/// never written to memory, neither forward nor kept for the gradients, which compute it again.
///
/// # Shapes
///
/// - `input`: `[batch, height, width, in]`
/// - `weight`: `[kernel_h, kernel_w, in, out]`
/// - `bias`: `[1, out]`, or one a sample, `[batch, out]`
/// - `residual` and result: `[batch, out_height, out_width, out]`, see [`Conv2dOptions::output_size`]
pub type Convolution = operators::Convolution<Tensor<4>, Tensor<1>, Tensor<2>>;

impl Convolution {
    /// Computes it.
    ///
    /// # Panics
    ///
    /// If the shapes disagree, the stride is 0, or the kernel is larger than the padded input.
    pub fn forward(self) -> Tensor<4> {
        let Self { input, norm, weight, bias, residual, options, .. } = &self;
        let ([batch, height, width, channels], [kernel_h, kernel_w, inputs, outputs]) =
            (input.dims(), weight.dims());
        let fits = |bias: &Tensor<2>| [[1, outputs], [batch, outputs]].contains(&bias.dims());
        assert!(
            channels == inputs && bias.as_ref().is_none_or(fits),
            "conv2d: input {:?}, weight {:?} and bias {:?} do not fit together",
            input.dims(),
            weight.dims(),
            bias.as_ref().map(Tensor::dims),
        );
        let [out_height, out_width] = options.output_size([height, width], [kernel_h, kernel_w]);
        let output = [batch, out_height, out_width, outputs];
        assert!(
            residual.as_ref().is_none_or(|residual| residual.dims() == output),
            "conv2d: residual {:?} is not like the output {output:?}",
            residual.as_ref().map(Tensor::dims),
        );
        if let Some(norm) = norm {
            norm.check(input.dims());
        }
        // What is rounded is decided here, once for the result and its gradients.
        let this = Self { precision: self.precision.here(), ..self };
        let tensors = this.unified(Tensor::into_dispatch, Tensor::into_dispatch, Tensor::into_dispatch);
        let ([input, weight], others, rest) = tensors.into_parts();
        let [bias, residual, gain, offset, scale, shift] = others.map(Optional::from);
        Tensor::from_dispatch(<Dispatch as KernelOps>::conv2d(
            input, weight, bias, residual, gain, offset, scale, shift, rest,
        ))
    }
}
