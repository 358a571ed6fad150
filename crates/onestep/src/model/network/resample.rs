//! Changes of resolution inside a U-Net.

use burn::tensor::{Tensor, TensorData};
use onestep_kernels::Conv2dOptions;

use super::dual::Dual;
use super::graph::{Graph, Mixing, Scaling, Value};
use super::layers::{Conv2d, Start};
use crate::model::{Builder, Weights};

/// The filter that repeats pixels on the way up and averages two by two on the way down.
pub const BOX_FILTER: [f32; 2] = [1.0, 1.0];

/// What a block does to the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampling {
    /// Nothing.
    Keep,
    /// Doubles height and width.
    Up,
    /// Halves height and width.
    Down,
}

impl Resampling {
    /// Applies a separable filter, given by one axis of it.
    pub fn apply(self, input: Dual<4>, filter: &[f32]) -> Dual<4> {
        match self {
            Self::Keep => input,
            Self::Up => input.linear(|tensor| onestep_kernels::fir_upsample(tensor, filter)),
            Self::Down => input.linear(|tensor| onestep_kernels::fir_downsample(tensor, filter)),
        }
    }

    /// [`Self::apply`] as a node of a graph.
    pub fn describe(self, graph: &mut Graph, input: Value, filter: &[f32]) -> Value {
        match self {
            Self::Keep => input,
            Self::Up => graph.resample(Scaling::Double, filter, input),
            Self::Down => graph.resample(Scaling::Halve, filter, input),
        }
    }
}

/// A 3x3 convolution and, after it, a filter that halves the resolution, as one convolution with stride 2.
///
/// The order matters at the border: the filter sees the convolution continued outside of the image, not
/// zeros. Both are linear, so a single kernel of the combined size does the same with a quarter of the
/// outputs ever computed.
///
/// # Source
///
/// `Conv2d` with `fused_resample` in NVlabs/edm `training/networks.py`, which the residual encoder of NCSN++ uses.
#[derive(Debug, Clone)]
pub struct ConvDownsample {
    conv: Conv2d,
    filter: Vec<f32>,
}

impl ConvDownsample {
    const KERNEL: usize = 3;
    const STRIDE: usize = 2;

    /// Registers the convolution as [`Conv2d::new`] does.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        channels: [usize; 2],
        filter: &[f32],
        start: Start,
    ) -> Self {
        Self { conv: Conv2d::new(builder, name, channels, Self::KERNEL, start), filter: filter.to_vec() }
    }

    /// `[batch, height, width, n_in]` to `[batch, height / 2, width / 2, n_out]`.
    pub fn forward(&self, weights: &Weights, input: Dual<4>) -> Dual<4> {
        let weight = self.conv.weight(weights);
        let [kernel, _, n_in, n_out] = weight.dims();
        let combined = kernel + self.filter.len() - 1;
        let matrix = Tensor::<2>::from_data(
            TensorData::new(self.combination(), [combined * combined, kernel * kernel]),
            (&input.device(), weight.dtype()),
        );
        let weight = matrix.matmul(weight.reshape([kernel * kernel, n_in * n_out]));
        let weight = weight.reshape([combined, combined, n_in, n_out]);
        let options = Conv2dOptions { stride: Self::STRIDE, padding: [self.padding(); 4] };
        let tangent = input
            .tangent
            .map(|tangent| onestep_kernels::conv2d(tangent, weight.clone().inner(), None, options));
        let bias = Some(self.conv.bias(weights));
        Dual::with(onestep_kernels::conv2d(input.value, weight, bias, options), tangent)
    }

    /// [`Self::forward`] as a node of a graph.
    pub fn describe(&self, graph: &mut Graph, input: Value) -> Value {
        let mixing = Mixing { size: Self::KERNEL + self.filter.len() - 1, matrix: self.combination() };
        self.conv.describe_as(graph, Some(mixing), [Self::STRIDE, self.padding()], input)
    }

    /// Zeros around the image that the combined kernel wants.
    fn padding(&self) -> usize {
        Self::KERNEL / 2 + (self.filter.len() - 1) / 2
    }

    /// The matrix from the pixels of the 3x3 kernel to those of the combined one.
    fn combination(&self) -> Vec<f32> {
        let (kernel, taps) = (Self::KERNEL, self.filter.len());
        let combined = kernel + taps - 1;
        let sum: f64 = self.filter.iter().copied().map(f64::from).sum();
        let mut matrix = vec![0.0; combined * combined * kernel * kernel];
        for (y, x) in pixels(kernel) {
            for (tap_y, tap_x) in pixels(taps) {
                let row = (y + tap_y) * combined + x + tap_x;
                let weight = f64::from(self.filter[tap_y]) * f64::from(self.filter[tap_x]) / (sum * sum);
                matrix[row * kernel * kernel + y * kernel + x] += weight as f32;
            }
        }
        matrix
    }
}

fn pixels(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size * size).map(move |index| (index / size, index % size))
}
