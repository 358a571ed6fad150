//! Changes of resolution.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::KernelOps;
use crate::operators::LinearMap;

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
