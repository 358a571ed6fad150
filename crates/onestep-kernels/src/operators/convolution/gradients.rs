//! The gradients of a convolution.

use super::super::amx::{self, TileEpilogue, TileSource};
use super::super::dense::{Matrix, dense};
use super::super::dense_gradient;
use super::super::geometry::Geometry;
use super::super::images::{Images, Values};
use super::super::norm::Source;
use super::super::winograd::{self, Factors, Tiling};
use super::forward::tiles_for;
use crate::blocking::{
    Epilogue, OuterTable, PairPanels, Panels, RowTable, TileMatrix, column_sums, gathered, outer_sum,
    scale_and_sum,
};
use crate::loops::{Kernels, index};
use crate::simd::Precision;

/// The gradient of what the convolution sees of its input.
pub(crate) fn input_gradient(
    kernels: &Kernels,
    geometry: &Geometry,
    weight: &[f32],
    gradient: &[f32],
    precision: Precision,
) -> Vec<f32> {
    let ([height, width], stride) = (geometry.size, geometry.options.stride);
    let turned = geometry.turned();
    if let Some(turned) = turned
        && let Some(loops) = tiles_for(kernels, &turned, precision)
    {
        let tiles = TileMatrix::turned(&loops, weight, [turned.taps(), turned.inputs, turned.outputs]);
        let source = TileSource::new(Values::Full(gradient), None);
        return amx::forward(&loops, &turned, &source, &tiles, &TileEpilogue::NONE).0.into_full();
    }
    if let Some((turned, tiling)) =
        turned.and_then(|turned| Some((turned, Tiling::choose_for_batch(&turned, precision)?)))
    {
        let factors = Factors::turned(kernels, &tiling, weight, [turned.inputs, turned.outputs]);
        let factors = factors.in_precision(precision);
        let source = Source::plain(Images::new(gradient, turned.input_shape()));
        return winograd::forward(kernels, &turned, &tiling, &source, &factors, &Epilogue::NONE);
    }
    let panels = Panels::from_columns(kernels, weight, geometry.taps(), geometry.outputs, geometry.inputs);
    if geometry.is_pointwise() {
        let source =
            Source::plain(Images::rows(gradient, [geometry.batch * height * width, geometry.outputs]));
        return match precision {
            Precision::F32 => dense(kernels, &source, Matrix::Full(&panels), &Epilogue::NONE),
            Precision::Bf16 => {
                let panels = PairPanels::new(kernels, &panels);
                dense(kernels, &source, Matrix::Pairs(&panels), &Epilogue::NONE)
            }
        };
    }
    // Input pixels phase by phase; with stride 1 that is their order.
    let mut pixels = Vec::with_capacity(height * width);
    for phase in 0..stride * stride {
        for y in (phase / stride..height).step_by(stride) {
            pixels.extend((phase % stride..width).step_by(stride).map(|x| [y, x]));
        }
    }
    let mut table = RowTable::build(kernels, geometry.taps(), pixels.len(), |tap, row| {
        geometry.output_pixel(tap, pixels[row]).map(|pixel| pixel * geometry.outputs)
    });
    if stride > 1 {
        table.targets = Some(pixels.iter().map(|[y, x]| index((y * width + x) * geometry.inputs)).collect());
    }
    gathered(kernels, gradient, geometry.batch, &table, &panels, &Epilogue::NONE)
}

/// The gradient of the weights, `[kernel_h, kernel_w, inputs, outputs]`: in bf16 what is multiplied in tiles and the weights of 1x1
/// convolutions of stride 1, else in f32. Rounding what Winograd's method makes of images would err more than the whole rest.
pub(crate) fn weight_gradient(
    kernels: &Kernels,
    geometry: &Geometry,
    source: &Source,
    gradient: &[f32],
    precision: Precision,
) -> Vec<f32> {
    if let Some(loops) = tiles_for(kernels, geometry, precision)
        && amx::suits_gradient(geometry)
    {
        let source = TileSource::new(Values::Full(source.images.values), source.prologue.as_ref());
        return amx::weight_gradient(&loops, geometry, &source, gradient);
    }
    if let Some(tiling) = Tiling::choose_for_batch(geometry, Precision::F32) {
        return winograd::weight_gradient(kernels, geometry, &tiling, source, gradient);
    }
    if geometry.is_pointwise() {
        return dense_gradient::weight_gradient(kernels, source, gradient, geometry.outputs, precision);
    }
    let [height, width] = geometry.output_size();
    let rows = [geometry.size[0] * geometry.size[1], height * width];
    let table = OuterTable::build(geometry.taps(), rows, geometry.inputs, |tap, pixel| {
        geometry.input_pixel(tap, [pixel / width, pixel % width])
    });
    let sizes = [geometry.inputs, geometry.outputs];
    outer_sum(kernels, [&source.seen(), gradient], geometry.batch, &table, sizes)
}

/// The gradient of a bias `[outputs]`, or of one a sample, `[batch, outputs]`.
pub(crate) fn bias_gradient(geometry: &Geometry, gradient: &[f32], per_sample: bool) -> Vec<f32> {
    column_sums(gradient, geometry.outputs, rows_of_bias(geometry, per_sample))
}

/// Multiplies a gradient by a factor, and returns that of a bias by it, in one pass over memory.
pub(crate) fn scale_with_bias_gradient(
    geometry: &Geometry,
    gradient: &mut [f32],
    factor: f64,
    per_sample: bool,
) -> Vec<f32> {
    scale_and_sum(gradient, geometry.outputs, rows_of_bias(geometry, per_sample), factor as f32)
}

/// Output pixels that share a bias.
fn rows_of_bias(geometry: &Geometry, per_sample: bool) -> usize {
    let [batch, height, width, _] = geometry.output_shape();
    if per_sample { height * width } else { batch * height * width }
}
