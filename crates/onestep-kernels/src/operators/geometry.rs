//! The sizes of a convolution, and which pixels meet in it.

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

/// The sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub size: [usize; 2],
    pub inputs: usize,
    pub kernel: [usize; 2],
    pub outputs: usize,
    pub options: Conv2dOptions,
}

impl Geometry {
    pub(crate) fn new(input: [usize; 4], weight: [usize; 4], options: Conv2dOptions) -> Self {
        Self {
            batch: input[0],
            size: [input[1], input[2]],
            inputs: input[3],
            kernel: [weight[0], weight[1]],
            outputs: weight[3],
            options,
        }
    }

    pub(crate) fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.size[0], self.size[1], self.inputs]
    }

    pub(crate) fn weight_shape(&self) -> [usize; 4] {
        [self.kernel[0], self.kernel[1], self.inputs, self.outputs]
    }

    pub(crate) fn output_shape(&self) -> [usize; 4] {
        let [height, width] = self.output_size();
        [self.batch, height, width, self.outputs]
    }

    pub(crate) fn output_size(&self) -> [usize; 2] {
        self.options.output_size(self.size, self.kernel)
    }

    /// The convolution that the data gradient is, where the stride is 1 and no padding is wider than the kernel's reach.
    pub(super) fn turned(&self) -> Option<Self> {
        let [height, width] = self.kernel.map(|kernel| kernel - 1);
        let [top, bottom, left, right] = self.options.padding;
        let turned = |reach: usize, padding: usize| reach.checked_sub(padding);
        let padding =
            [turned(height, top)?, turned(height, bottom)?, turned(width, left)?, turned(width, right)?];
        (self.options.stride == 1).then(|| Self {
            batch: self.batch,
            size: self.output_size(),
            inputs: self.outputs,
            kernel: self.kernel,
            outputs: self.inputs,
            options: Conv2dOptions::new(1, padding),
        })
    }

    /// Whether each output pixel is a product of its own input pixel alone.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.options == Conv2dOptions::same(1)
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The input pixel that an output pixel sees through a tap, if it lies in the image.
    pub(super) fn input_pixel(&self, tap: usize, [y, x]: [usize; 2]) -> Option<usize> {
        let [top, _, left, _] = self.options.padding;
        let y = (y * self.options.stride + tap / self.kernel[1]).checked_sub(top)?;
        let x = (x * self.options.stride + tap % self.kernel[1]).checked_sub(left)?;
        (y < self.size[0] && x < self.size[1]).then(|| y * self.size[1] + x)
    }

    /// The output pixel that sees an input pixel through a tap, if there is one.
    pub(super) fn output_pixel(&self, tap: usize, [y, x]: [usize; 2]) -> Option<usize> {
        let [top, _, left, _] = self.options.padding;
        let [height, width] = self.output_size();
        let stride = self.options.stride;
        let y = (y + top).checked_sub(tap / self.kernel[1])?;
        let x = (x + left).checked_sub(tap % self.kernel[1])?;
        let inside = y % stride == 0 && x % stride == 0 && y / stride < height && x / stride < width;
        inside.then(|| y / stride * width + x / stride)
    }
}
