//! The largest or the mean of neighbouring pixels, a row of output pixels at a time.

#![allow(unsafe_code, reason = "tasks write disjoint rows of the output")]

use super::geometry::Conv2dOptions;
use crate::blocking::{Shared, filled};
use crate::loops::{Rectifier, cut_off};
use crate::simd::vectorised;

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

/// Pools `[batch, height, width, channels]`.
pub(crate) fn pool2d(input: &[f32], shape: [usize; 4], options: PoolOptions) -> Vec<f32> {
    let [batch, height, width, channels] = shape;
    let image = height * width * channels;
    assert_eq!(input.len(), batch * image);
    let [_, out_height, out_width, _] = options.output_shape(shape);
    let row = out_width * channels;
    let task = |task: usize, shared: Shared| {
        let (sample, y) = (task / out_height, task % out_height);
        // SAFETY: rows do not overlap, and each is one task's.
        let output = unsafe { shared.slice(task * row, row) };
        pool_row(&input[sample * image..][..image], [height, width, channels], options, y, output);
    };
    // SAFETY: the tasks are all rows of all images, and every pixel of a row begins with what its pool begins with.
    unsafe { filled(batch * out_height * row, batch * out_height, task) }
}

/// The positions of the image that a window sees along one axis.
fn seen(position: usize, options: &PoolOptions, size: usize) -> std::ops::Range<usize> {
    let (start, padding) = (position * options.stride, options.padding);
    start.saturating_sub(padding)..(start + options.kernel).saturating_sub(padding).min(size)
}

vectorised! {
    fn pool_row(
        image: &[f32],
        size: [usize; 3],
        options: PoolOptions,
        y: usize,
        output: &mut [f32],
    ) {
        let [height, width, channels] = size;
        let (rows, bounds) = (seen(y, &options, height), options.rectifier.bounds());
        for (x, output) in output.chunks_exact_mut(channels.max(1)).enumerate() {
            let columns = seen(x, &options, width);
            let count = (rows.len() * columns.len()) as f32;
            output.fill(match options.pool {
                Pool::Max => f32::NEG_INFINITY,
                Pool::Mean => 0.0,
            });
            for row in rows.clone() {
                for column in columns.clone() {
                    let source = &image[(row * width + column) * channels..][..channels];
                    match options.pool {
                        Pool::Max => {
                            for (largest, &value) in output.iter_mut().zip(source) {
                                *largest = if value > *largest { value } else { *largest };
                            }
                        }
                        Pool::Mean => {
                            for (sum, value) in output.iter_mut().zip(source) {
                                *sum += value;
                            }
                        }
                    }
                }
            }
            match options.pool {
                Pool::Max => output.iter_mut().for_each(|value| *value = cut_off(*value, bounds)),
                Pool::Mean => output.iter_mut().for_each(|value| *value = cut_off(*value / count, bounds)),
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
        for (shape, kernel, stride, padding) in [
            ([2, 7, 5, 19], 3, 1, 1),
            ([1, 9, 8, 32], 3, 2, 0),
            ([1, 1, 1, 3], 3, 1, 1),
            ([3, 6, 4, 1], 2, 2, 1),
        ] {
            let cases =
                [(Pool::Max, Rectifier::None), (Pool::Mean, Rectifier::None), (Pool::Mean, Rectifier::Relu)];
            for (pool, rectifier) in cases {
                let options = PoolOptions { pool, kernel, stride, padding, rectifier };
                let [low, high] = rectifier.bounds().map(f64::from);
                let [batch, height, width, channels] = shape;
                let input = numbers(shape.iter().product(), 1);
                let [_, out_height, out_width, _] = options.output_shape(shape);
                let mut expected = Vec::new();
                for index in 0..batch * out_height * out_width * channels {
                    let (pixel, channel) = (index / channels, index % channels);
                    let (image, y, x) =
                        (pixel / (out_height * out_width), pixel / out_width % out_height, pixel % out_width);
                    let mut values: Vec<f64> = Vec::new();
                    for tap in 0..kernel * kernel {
                        let (iy, ix) = (y * stride + tap / kernel, x * stride + tap % kernel);
                        if (padding..padding + height).contains(&iy)
                            && (padding..padding + width).contains(&ix)
                        {
                            let pixel = (image * height + iy - padding) * width + ix - padding;
                            values.push(input[pixel * channels + channel].into());
                        }
                    }
                    let pooled = match pool {
                        Pool::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                        Pool::Mean => values.iter().sum::<f64>() / values.len() as f64,
                    };
                    expected.push(pooled.clamp(low, high));
                }
                assert_close(
                    &pool2d(&input, shape, options),
                    &expected,
                    1e-6,
                    &format!("{options:?} of {shape:?}"),
                );
            }
        }
    }
}
