//! Changes of resolution.
//!
//! Each is a separable linear map: one sparse matrix for the rows, one for the columns. [`LinearMap`] is that matrix, the
//! operator is one and the same, and its gradient is the transposed matrix.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::KernelOps;

/// A sparse matrix from the positions of an input axis to those of an output axis.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    /// Length of the input axis.
    pub inputs: usize,
    /// For each output position, the input positions it reads and their weights.
    pub taps: Vec<Vec<(usize, f64)>>,
}

impl LinearMap {
    /// Length of the output axis.
    pub fn outputs(&self) -> usize {
        self.taps.len()
    }

    /// The transposed matrix.
    pub fn transposed(&self) -> Self {
        let mut taps = vec![Vec::new(); self.inputs];
        for (output, row) in self.taps.iter().enumerate() {
            for &(input, weight) in row {
                taps[input].push((output, weight));
            }
        }
        Self { inputs: self.outputs(), taps }
    }

    fn nearest(inputs: usize) -> Self {
        Self { inputs, taps: (0..2 * inputs).map(|output| vec![(output / 2, 1.0)]).collect() }
    }

    fn mean(inputs: usize) -> Self {
        Self {
            inputs,
            taps: (0..inputs / 2).map(|output| vec![(2 * output, 0.5), (2 * output + 1, 0.5)]).collect(),
        }
    }

    /// Correlation with the taps at stride 2 and padding (len − 1) / 2.
    fn fir_down(inputs: usize, filter: &[f64]) -> Self {
        let padding = (filter.len() - 1) / 2;
        let outputs = (inputs + 2 * padding - filter.len()) / 2 + 1;
        let taps = (0..outputs)
            .map(|output| {
                let positions = filter.iter().enumerate().map(|(tap, &weight)| (2 * output + tap, weight));
                positions
                    .filter(|&(position, _)| position >= padding && position - padding < inputs)
                    .map(|(position, weight)| (position - padding, weight))
                    .collect()
            })
            .collect();
        Self { inputs, taps }
    }

    /// Correlation with the taps at stride 2 of an axis that is mirrored at its ends, len − 1 positions far.
    fn blur_down(inputs: usize, filter: &[f64]) -> Self {
        let (reach, last) = (filter.len() - 1, inputs - 1);
        let mirrored = |position: usize| match position.checked_sub(reach) {
            None => reach - position,
            Some(position) if position > last => 2 * last - position,
            Some(position) => position,
        };
        let outputs = (inputs + 2 * reach - filter.len()) / 2 + 1;
        let row = |output: usize| {
            filter.iter().enumerate().map(|(tap, &weight)| (mirrored(2 * output + tap), weight)).collect()
        };
        Self { inputs, taps: (0..outputs).map(row).collect() }
    }

    /// The transpose of [`Self::fir_down`] at twice the length.
    fn fir_up(inputs: usize, filter: &[f64]) -> Self {
        let padding = (filter.len() - 1) / 2;
        let outputs = 2 * (inputs - 1) + filter.len() - 2 * padding;
        let mut taps = vec![Vec::new(); outputs];
        for input in 0..inputs {
            for (tap, &weight) in filter.iter().enumerate() {
                if let Some(row) =
                    (2 * input + tap).checked_sub(padding).and_then(|output| taps.get_mut(output))
                {
                    row.push((input, weight));
                }
            }
        }
        Self { inputs, taps }
    }

    fn bilinear(inputs: usize, outputs: usize) -> Self {
        // In f32, as PyTorch computes positions: at hundreds of pixels its rounding moves a weight by 1e-5.
        let scale = inputs as f32 / outputs as f32;
        let taps = (0..outputs)
            .map(|output| {
                let position = ((output as f32 + 0.5) * scale - 0.5).max(0.0);
                let low = (position as usize).min(inputs - 1);
                let high = (low + 1).min(inputs - 1);
                let fraction = position - low as f32;
                if high == low || fraction == 0.0 {
                    vec![(low, 1.0)]
                } else {
                    vec![(low, f64::from(1.0 - fraction)), (high, f64::from(fraction))]
                }
            })
            .collect();
        Self { inputs, taps }
    }
}

fn resample(input: Tensor<4>, rows: LinearMap, columns: LinearMap) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as KernelOps>::resample(input.into_dispatch(), rows, columns))
}

/// Doubles height and width by repeating each pixel.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, 2 · height, 2 · width, channels]`
pub fn upsample_nearest(input: Tensor<4>) -> Tensor<4> {
    let [_, height, width, _] = input.dims();
    resample(input, LinearMap::nearest(height), LinearMap::nearest(width))
}

/// Halves height and width by the mean of each two by two pixels; an odd last row or column is dropped.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, height / 2, width / 2, channels]`
///
/// # Panics
///
/// If height or width is below 2.
pub fn downsample_mean(input: Tensor<4>) -> Tensor<4> {
    let [_, height, width, _] = input.dims();
    assert!(height >= 2 && width >= 2, "downsample_mean: {height} x {width} cannot be halved");
    resample(input, LinearMap::mean(height), LinearMap::mean(width))
}

/// Doubles height and width by a separable filter: the depthwise transposed convolution with stride 2 and padding
/// (len − 1) / 2.
///
/// `filter` is one axis of the kernel, whose outer product is normalised to a sum of 4, so that an even filter keeps the
/// brightness; `[1, 1]` repeats pixels, `[1, 3, 3, 1]` is smooth.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, 2 · height, 2 · width, channels]` for filters of even length
///
/// # Panics
///
/// If the filter is empty or sums to zero.
///
/// # Source
///
/// `Conv2d` with `up=True` in NVlabs/edm `training/networks.py`.
pub fn fir_upsample(input: Tensor<4>, filter: &[f32]) -> Tensor<4> {
    let [_, height, width, _] = input.dims();
    let filter: Vec<f64> = normalised(filter).iter().map(|weight| 2.0 * weight).collect();
    resample(input, LinearMap::fir_up(height, &filter), LinearMap::fir_up(width, &filter))
}

/// Halves height and width by a separable filter: the depthwise convolution with stride 2 and padding (len − 1) / 2.
///
/// `filter` is one axis of the kernel, whose outer product is normalised to a sum of 1; `[1, 1]` is [`downsample_mean`].
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, height / 2, width / 2, channels]` for even sizes and filters
///
/// # Panics
///
/// If the filter is empty, sums to zero, or is larger than the padded input.
///
/// # Source
///
/// `Conv2d` with `down=True` in NVlabs/edm `training/networks.py`.
pub fn fir_downsample(input: Tensor<4>, filter: &[f32]) -> Tensor<4> {
    let [_, height, width, _] = input.dims();
    let filter = normalised(filter);
    let room = 2 * ((filter.len() - 1) / 2);
    assert!(
        filter.len() <= height.min(width) + room,
        "fir_downsample: a filter of {} taps is larger than {height} x {width}",
        filter.len()
    );
    resample(input, LinearMap::fir_down(height, &filter), LinearMap::fir_down(width, &filter))
}

/// Blurs by a separable filter and keeps every second pixel, of images that are mirrored at their edges (the outermost pixel
/// not repeated) by one pixel less than the filter is long.
///
/// `filter` is one axis of the kernel, whose outer product is normalised to a sum of 1.
///
/// # Shapes
///
/// `[batch, height, width, channels]` to `[batch, (height + len) / 2, (width + len) / 2, channels]`, rounded down, for filters
/// of `len` taps
///
/// # Panics
///
/// If the filter is empty or sums to zero, or if height or width is less than the length of the filter.
///
/// # Source
///
/// Zhang 2019 (arXiv:1904.11486); the padding is that of shift-tolerant LPIPS (arXiv:2207.13686).
pub fn blur_downsample(input: Tensor<4>, filter: &[f32]) -> Tensor<4> {
    let [_, height, width, _] = input.dims();
    let filter = normalised(filter);
    assert!(
        filter.len() <= height.min(width),
        "blur_downsample: {height} x {width} cannot be mirrored for a filter of {} taps",
        filter.len()
    );
    resample(input, LinearMap::blur_down(height, &filter), LinearMap::blur_down(width, &filter))
}

/// Resizes to any height and width by linear interpolation between the nearest pixels: half-pixel centres, edges repeated,
/// no antialiasing.
///
/// # Shapes
///
/// `[batch, input_height, input_width, channels]` to `[batch, height, width, channels]`
///
/// # Panics
///
/// If a size is 0.
///
/// # Source
///
/// `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`, as the losses call it before LPIPS.
pub fn resize_bilinear(input: Tensor<4>, height: usize, width: usize) -> Tensor<4> {
    let [_, input_height, input_width, _] = input.dims();
    assert!(
        height * width * input_height * input_width > 0,
        "resize_bilinear: cannot resize {input_height} x {input_width} to {height} x {width}"
    );
    resample(input, LinearMap::bilinear(input_height, height), LinearMap::bilinear(input_width, width))
}

fn normalised(filter: &[f32]) -> Vec<f64> {
    let sum: f64 = filter.iter().map(|&weight| f64::from(weight)).sum();
    assert!(sum != 0.0, "a resampling filter must not sum to zero: {filter:?}");
    filter.iter().map(|&weight| f64::from(weight) / sum).collect()
}
