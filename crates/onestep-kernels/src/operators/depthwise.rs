//! Convolution of each channel by itself, a row of output pixels at a time.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the output")]

use super::geometry::Conv2dOptions;
use crate::blocking::{Shared, filled};
use crate::loops::{Rectifier, cut_off};
use crate::simd::vectorised;

/// What [`depthwise_conv2d()`](crate::depthwise_conv2d()) needs besides tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DepthwiseOptions {
    /// Stride and padding.
    pub conv: Conv2dOptions,
    /// Cuts the result off.
    pub rectifier: Rectifier,
}

/// The sizes of one depthwise convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depthwise {
    pub batch: usize,
    pub size: [usize; 2],
    pub kernel: [usize; 2],
    pub channels: usize,
    output: [usize; 2],
    pub options: DepthwiseOptions,
}

impl Depthwise {
    pub(crate) fn new(input: [usize; 4], weight: [usize; 3], options: DepthwiseOptions) -> Self {
        let (size, kernel) = ([input[1], input[2]], [weight[0], weight[1]]);
        let output = options.conv.output_size(size, kernel);
        Self { batch: input[0], size, kernel, channels: input[3], output, options }
    }

    pub(crate) fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.output[0], self.output[1], self.channels]
    }

    /// The output, `[batch, height, width, channels]`.
    pub(crate) fn forward(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let ([height, width], channels) = (self.size, self.channels);
        let image = height * width * channels;
        assert!(
            input.len() == self.batch * image && weight.len() == self.kernel[0] * self.kernel[1] * channels
        );
        assert!(bias.is_none_or(|bias| bias.len() == channels));
        let [out_height, out_width] = self.output;
        let row = out_width * channels;
        let task = |task: usize, shared: Shared| {
            let (sample, y) = (task / out_height, task % out_height);
            // SAFETY: rows do not overlap, and each is one task's.
            let output = unsafe { shared.slice(task * row, row) };
            let image = &input[sample * image..][..image];
            convolve_row(image, self.size, weight, self.kernel, bias, self.options, y, output);
        };
        // SAFETY: the tasks are all rows of all images, and every pixel of a row begins with the bias or zero.
        unsafe { filled(self.batch * out_height * row, self.batch * out_height, task) }
    }
}

/// The taps of a window that lie in the image along one axis, and the position that the first of them sees.
fn taps(
    position: usize,
    stride: usize,
    padding: usize,
    kernel: usize,
    size: usize,
) -> (std::ops::Range<usize>, usize) {
    let start = position * stride;
    let first = padding.saturating_sub(start);
    let last = kernel.min((size + padding).saturating_sub(start));
    (first..last.max(first), start + first - padding)
}

vectorised! {
    #[allow(clippy::too_many_arguments, reason = "a body compiled several times, called from one place")]
    fn convolve_row(
        image: &[f32],
        size: [usize; 2],
        weight: &[f32],
        kernel: [usize; 2],
        bias: Option<&[f32]>,
        options: DepthwiseOptions,
        y: usize,
        output: &mut [f32],
    ) {
        let DepthwiseOptions { conv: Conv2dOptions { stride, padding: [top, _, left, _] }, rectifier } = options;
        let channels = weight.len() / (kernel[0] * kernel[1]).max(1);
        let bounds = rectifier.bounds();
        let (rows, first_row) = taps(y, stride, top, kernel[0], size[0]);
        for (x, output) in output.chunks_exact_mut(channels.max(1)).enumerate() {
            match bias {
                Some(bias) => output.copy_from_slice(bias),
                None => output.fill(0.0),
            }
            let (columns, first_column) = taps(x, stride, left, kernel[1], size[1]);
            for (ky, input_row) in rows.clone().zip(first_row..) {
                for (kx, input_column) in columns.clone().zip(first_column..) {
                    let source = &image[(input_row * size[1] + input_column) * channels..][..channels];
                    let weight = &weight[(ky * kernel[1] + kx) * channels..][..channels];
                    for ((sum, value), weight) in output.iter_mut().zip(source).zip(weight) {
                        *sum += value * weight;
                    }
                }
            }
            for sum in output {
                *sum = cut_off(*sum, bounds);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::{assert_close, numbers};

    #[test]
    fn equals_the_formula() {
        for (batch, [height, width], [kernel_h, kernel_w], channels, stride, padding) in [
            (2, [7, 5], [3, 3], 19, 1, [1; 4]),
            (1, [8, 9], [5, 5], 32, 2, [1, 2, 1, 2]),
            (3, [6, 6], [3, 1], 4, 2, [0, 1, 0, 0]),
            (1, [1, 1], [3, 3], 1, 1, [1; 4]),
            // Windows that see nothing but padding.
            (1, [2, 2], [1, 1], 3, 1, [2; 4]),
        ] {
            for rectifier in [Rectifier::None, Rectifier::Relu, Rectifier::Relu6] {
                let options = DepthwiseOptions { conv: Conv2dOptions::new(stride, padding), rectifier };
                let x = numbers(batch * height * width * channels, 1);
                // Large, so that there is something to cut off.
                let w: Vec<f32> =
                    numbers(kernel_h * kernel_w * channels, 2).iter().map(|w| 9.0 * w).collect();
                let bias = numbers(channels, 3);
                let depthwise =
                    Depthwise::new([batch, height, width, channels], [kernel_h, kernel_w, channels], options);
                let [_, out_height, out_width, _] = depthwise.output_shape();
                let mut expected = Vec::new();
                for index in 0..batch * out_height * out_width * channels {
                    let (pixel, channel) = (index / channels, index % channels);
                    let (image, y, x_out) =
                        (pixel / (out_height * out_width), pixel / out_width % out_height, pixel % out_width);
                    let mut sum = f64::from(bias[channel]);
                    for tap in 0..kernel_h * kernel_w {
                        let (iy, ix) = (y * stride + tap / kernel_w, x_out * stride + tap % kernel_w);
                        let [top, _, left, _] = padding;
                        if (top..top + height).contains(&iy) && (left..left + width).contains(&ix) {
                            let at = ((image * height + iy - top) * width + ix - left) * channels + channel;
                            sum += f64::from(x[at]) * f64::from(w[tap * channels + channel]);
                        }
                    }
                    let [low, high] = rectifier.bounds().map(f64::from);
                    expected.push(sum.clamp(low, high));
                }
                assert_close(
                    &depthwise.forward(&x, &w, Some(&bias)),
                    &expected,
                    1e-6,
                    &format!("depthwise {kernel_h}x{kernel_w} {options:?}"),
                );
            }
        }
    }
}
