//! How images are brought to the size that a network looks at.
//!
//! The same network tells different distances after different ways of resizing, so every way has a name.

use std::fmt;

use crate::data::Pixels;

/// A way of resizing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resize {
    /// TensorFlow 1's `resize_bilinear`, as the graph of 2015 has it: pixel i of n reads position i · m / n of m, as if pixels
    /// were points with the first at the left border. No antialiasing.
    Tf1,
    /// PyTorch's `interpolate(mode="bilinear", align_corners=False)`: half-pixel centres, no antialiasing.
    PyTorch,
    /// Pillow's bicubic filter on floating-point channels: half-pixel centres, the filter as wide as the pixels it makes, not
    /// rounded and not clamped.
    PilBicubic,
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tf1 => "TF1 bilinear",
            Self::PyTorch => "PyTorch bilinear",
            Self::PilBicubic => "antialiased bicubic",
        })
    }
}

impl Resize {
    /// Resizes an image to a square of `size` pixels a side.
    ///
    /// # Shapes
    ///
    /// Returns `[size, size, channels]`.
    ///
    /// # Units
    ///
    /// Those of bytes, 0 to 255; [`Resize::PilBicubic`] reaches somewhat beyond at edges.
    ///
    /// # Source
    ///
    /// Formulas, order (rows of pixels first, then columns) and precision of each are those of the library it is named after:
    /// positions and sums in f32 for the bilinear ones, weights and sums in f64 and each pass rounded to f32 for Pillow. Builds of
    /// PyTorch differ in whether they round a position once or twice, which moves a value by up to 1e-6 of the range; here it is
    /// once.
    pub fn resized(self, image: &Pixels, size: usize) -> Vec<f32> {
        let shape = image.shape();
        let [columns, rows] = [shape.width, shape.height].map(|length| self.axis(length, size));
        let row = size * shape.channels;
        // [height, size, channels]
        let mut wide = vec![0.0; shape.height * row];
        let lines = image.bytes().chunks_exact(shape.width * shape.channels);
        for (line, wide) in lines.zip(wide.chunks_exact_mut(row)) {
            for (taps, pixel) in columns.iter().zip(wide.chunks_exact_mut(shape.channels)) {
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let source = |tap| f32::from(line[(taps.first + tap) * shape.channels + channel]);
                    *value = self.blend(taps, source);
                }
            }
        }
        let mut resized = vec![0.0; size * row];
        for (taps, line) in rows.iter().zip(resized.chunks_exact_mut(row)) {
            self.blend_lines(taps, &wide[taps.first * row..][..taps.weights.len() * row], line);
        }
        resized
    }

    /// Blends whole lines of pixels, which lie one after the other.
    fn blend_lines(self, taps: &Taps, lines: &[f32], blended: &mut [f32]) {
        let (first, rest) = lines.split_at(blended.len());
        match (self, &taps.weights[..]) {
            (_, [_]) => blended.copy_from_slice(first),
            (Self::PilBicubic, weights) => {
                let mut sums = vec![0.0f64; blended.len()];
                for (line, weight) in lines.chunks_exact(blended.len()).zip(weights) {
                    sums.iter_mut().zip(line).for_each(|(sum, &value)| *sum += f64::from(value) * weight);
                }
                blended.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
            }
            _ => {
                for ((value, &low), &high) in blended.iter_mut().zip(first).zip(rest) {
                    *value = self.blend(taps, |tap| if tap == 0 { low } else { high });
                }
            }
        }
    }

    #[inline(always)]
    fn blend(self, taps: &Taps, source: impl Fn(usize) -> f32) -> f32 {
        match (self, &taps.weights[..]) {
            (_, [_]) => source(0),
            (Self::Tf1, &[_, fraction]) => {
                let (low, high) = (source(0), source(1));
                low + (high - low) * fraction as f32
            }
            (Self::PyTorch, &[low, high]) => source(0) * low as f32 + source(1) * high as f32,
            (_, weights) => {
                let products =
                    weights.iter().enumerate().map(|(tap, weight)| f64::from(source(tap)) * weight);
                products.sum::<f64>() as f32
            }
        }
    }

    /// What each output position reads along one axis.
    fn axis(self, inputs: usize, outputs: usize) -> Vec<Taps> {
        let scale = inputs as f32 / outputs as f32;
        // The product is exact in f64, so that the position is rounded once, as a fused multiply-add does.
        let half_pixel = |output: usize| ((output as f64 + 0.5) * f64::from(scale) - 0.5) as f32;
        (0..outputs)
            .map(|output| match self {
                Self::Tf1 => Taps::between(output as f32 * scale, inputs),
                Self::PyTorch => Taps::between(half_pixel(output).max(0.0), inputs),
                Self::PilBicubic => Taps::bicubic(output, inputs, outputs),
            })
            .collect()
    }
}

/// Neighbouring input positions and their weights.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

impl Taps {
    /// The two positions beside a point, or the last one.
    fn between(position: f32, inputs: usize) -> Self {
        let first = (position as usize).min(inputs - 1);
        let fraction = position - first as f32;
        let weights = if first + 1 == inputs || fraction == 0.0 {
            vec![1.0]
        } else {
            vec![f64::from(1.0 - fraction), f64::from(fraction)]
        };
        Self { first, weights }
    }

    fn bicubic(output: usize, inputs: usize, outputs: usize) -> Self {
        let scale = inputs as f64 / outputs as f64;
        let stretch = scale.max(1.0);
        let (center, support) = ((output as f64 + 0.5) * scale, 2.0 * stretch);
        let first = ((center - support + 0.5).max(0.0)) as usize;
        let last = ((center + support + 0.5) as usize).min(inputs);
        let weight = |input: usize| cubic((input as f64 - center + 0.5) / stretch);
        let weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Self { first, weights: weights.into_iter().map(|weight| weight / sum).collect() }
    }
}

/// Keys' cubic convolution kernel with a = −1/2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
