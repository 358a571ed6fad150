//! Two-dimensional convolution, channels last.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::{KernelOps, Optional};

/// Stride and zero padding of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2dOptions {
    /// Step between output pixels, the same in both directions; at least 1.
    pub stride: usize,
    /// Rows and columns of zeros around the input: top, bottom, left, right.
    pub padding: [usize; 4],
}

impl Conv2dOptions {
    /// A convolution with this stride and these rows and columns of zeros: top, bottom, left, right.
    pub const fn new(stride: usize, padding: [usize; 4]) -> Self {
        Self { stride, padding }
    }

    /// Stride 1, padded by half the kernel all around: an odd kernel keeps height and width.
    pub const fn same(kernel: usize) -> Self {
        Self::new(1, [kernel / 2; 4])
    }

    /// Returns the output's height and width.
    ///
    /// # Panics
    ///
    /// If the stride is 0 or the kernel is larger than the padded input.
    pub fn output_size(&self, [height, width]: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        let [top, bottom, left, right] = self.padding;
        let padded = [height + top + bottom, width + left + right];
        assert!(
            self.stride > 0 && kernel[0] <= padded[0] && kernel[1] <= padded[1],
            "conv2d: kernel {kernel:?} with {self:?} does not fit an input of {height} x {width}"
        );
        [0, 1].map(|axis| (padded[axis] - kernel[axis]) / self.stride + 1)
    }
}

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
    let ([_, height, width, channels], [kernel_h, kernel_w, inputs, outputs]) = (input.dims(), weight.dims());
    assert!(
        channels == inputs && bias.as_ref().is_none_or(|bias| bias.dims() == [outputs]),
        "conv2d: input {:?}, weight {:?} and bias {:?} do not fit together",
        input.dims(),
        weight.dims(),
        bias.as_ref().map(Tensor::dims),
    );
    options.output_size([height, width], [kernel_h, kernel_w]);
    Tensor::from_dispatch(<Dispatch as KernelOps>::conv2d(
        input.into_dispatch(),
        weight.into_dispatch(),
        Optional::from_tensor(bias),
        options,
    ))
}
