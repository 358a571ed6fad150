//! Two-dimensional convolution, channels last.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::norm_act::NormActOptions;
use crate::{KernelOps, Layouts, Optional, Rectifier};

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
    let bias = bias.map(|bias| bias.unsqueeze_dim(0));
    Convolution { bias, ..Convolution::new(input, weight, options) }.forward()
}

/// The arithmetic of large products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Everything in f32.
    #[default]
    F32,
    /// Both factors of a product are rounded to bf16, which has the range of f32 and 8 bits of precision, and the products
    /// are added up in f32. Tensors stay f32, and so do norms, softmax, sums and the gradients of weights.
    ///
    /// Faster on CPUs that multiply bf16 (AVX512-BF16), slower elsewhere. On devices without hand-written bodies it has no
    /// effect.
    Bf16,
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
#[derive(Debug, Clone)]
pub struct Convolution {
    /// The images.
    pub input: Tensor<4>,
    /// Group norm and activation in front.
    pub norm: Option<Norm>,
    /// The kernel.
    pub weight: Tensor<4>,
    /// Added to each pixel.
    pub bias: Option<Tensor<2>>,
    /// Added to the output.
    pub residual: Option<Tensor<4>>,
    /// Multiplies everything.
    pub factor: f64,
    /// Cuts the result off.
    pub rectifier: Rectifier,
    /// Stride and padding.
    pub options: Conv2dOptions,
    /// Arithmetic of the products.
    pub precision: Precision,
    /// Where layouts of this weight are kept between calls.
    pub layouts: Option<Layouts>,
}

/// The arguments of [`norm_act`](crate::norm_act()), but for the input.
#[derive(Debug, Clone)]
pub struct Norm {
    /// `[channels]`
    pub gain: Tensor<1>,
    /// `[channels]`
    pub offset: Tensor<1>,
    /// Two of `[batch, channels]`.
    pub scale_shift: Option<(Tensor<2>, Tensor<2>)>,
    /// Groups, epsilon and activation.
    pub options: NormActOptions,
}

impl Convolution {
    /// A convolution alone.
    pub const fn new(input: Tensor<4>, weight: Tensor<4>, options: Conv2dOptions) -> Self {
        Self {
            input,
            norm: None,
            weight,
            bias: None,
            residual: None,
            factor: 1.0,
            rectifier: Rectifier::None,
            options,
            precision: Precision::F32,
            layouts: None,
        }
    }

    /// Computes it.
    ///
    /// # Panics
    ///
    /// If the shapes disagree, the stride is 0, or the kernel is larger than the padded input.
    pub fn forward(self) -> Tensor<4> {
        let Self { input, norm, weight, bias, residual, factor, rectifier, options, precision, layouts } =
            self;
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
        let (mut gain, mut offset, mut scale_shift, mut norm_options) = (None, None, None, None);
        if let Some(norm) = norm {
            norm.check(input.dims());
            (gain, offset) = (Some(norm.gain), Some(norm.offset));
            (scale_shift, norm_options) = (norm.scale_shift, Some(norm.options));
        }
        let (scale, shift) = scale_shift.unzip();
        Tensor::from_dispatch(<Dispatch as KernelOps>::conv2d(
            input.into_dispatch(),
            Optional::from_tensor(gain),
            Optional::from_tensor(offset),
            Optional::from_tensor(scale),
            Optional::from_tensor(shift),
            weight.into_dispatch(),
            Optional::from_tensor(bias),
            Optional::from_tensor(residual),
            ConvolutionOptions { conv: options, norm: norm_options, factor, rectifier, precision, layouts },
        ))
    }
}

/// What [`Convolution`] needs besides tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvolutionOptions {
    /// Stride and padding.
    pub conv: Conv2dOptions,
    /// The normalisation in front.
    pub norm: Option<NormActOptions>,
    /// Multiplies the result.
    pub factor: f64,
    /// Cuts the result off.
    pub rectifier: Rectifier,
    /// Arithmetic of the products.
    pub precision: Precision,
    /// Where layouts of the weight are kept.
    pub layouts: Option<Layouts>,
}
