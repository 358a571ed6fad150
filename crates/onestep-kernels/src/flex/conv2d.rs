//! Convolution and its gradients in f32.
//!
//! No matrix of patches is built: a table says for every tap and output pixel where the input pixel lies, and the inner loop
//! gathers from there. The data gradient is the same product with another table, in which pixels are ordered by their phase
//! modulo the stride, so that the taps that miss a phase are skipped by whole tiles.

use std::borrow::Cow;

use super::dense::{Matrix, Rows, dense};
use super::kernels::Kernels;
use super::layouts::Layouts;
use super::norm_act::{Affine, Norm};
use super::outer::{OuterTable, column_sums, outer_sum};
use super::pairs::PairPanels;
use super::panels::Panels;
use super::product::{Epilogue, RowTable, gathered};
use super::tile::index;
use super::winograd::{self, Factors, Source, Tiling};
use crate::Precision;
use crate::conv2d::Conv2dOptions;

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
    fn turned(&self) -> Option<Self> {
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
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.options == Conv2dOptions::same(1)
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The input pixel that an output pixel sees through a tap, if it lies in the image.
    fn input_pixel(&self, tap: usize, [y, x]: [usize; 2]) -> Option<usize> {
        let [top, _, left, _] = self.options.padding;
        let y = (y * self.options.stride + tap / self.kernel[1]).checked_sub(top)?;
        let x = (x * self.options.stride + tap % self.kernel[1]).checked_sub(left)?;
        (y < self.size[0] && x < self.size[1]).then(|| y * self.size[1] + x)
    }

    /// The output pixel that sees an input pixel through a tap, if there is one.
    fn output_pixel(&self, tap: usize, [y, x]: [usize; 2]) -> Option<usize> {
        let [top, _, left, _] = self.options.padding;
        let [height, width] = self.output_size();
        let stride = self.options.stride;
        let y = (y + top).checked_sub(tap / self.kernel[1])?;
        let x = (x + left).checked_sub(tap % self.kernel[1])?;
        let inside = y % stride == 0 && x % stride == 0 && y / stride < height && x / stride < width;
        inside.then(|| y / stride * width + x / stride)
    }
}

/// What a convolution reads.
pub(crate) enum Input<'a> {
    /// Images as they are.
    Plain(&'a [f32]),
    /// Images to be normalised on the way.
    Normalised(&'a Norm<'a>, &'a Affine),
}

impl Input<'_> {
    fn source(&self) -> Source<'_> {
        match self {
            Self::Plain(images) => Source { images, prologue: None },
            Self::Normalised(norm, affine) => {
                Source { images: norm.input, prologue: Some(norm.prologue(affine)) }
            }
        }
    }

    /// The images that the convolution itself sees.
    fn images(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Plain(images) => Cow::Borrowed(images),
            Self::Normalised(norm, affine) => Cow::Owned(norm.forward(affine)),
        }
    }
}

pub(crate) fn forward(
    kernels: &Kernels,
    geometry: &Geometry,
    input: &Input,
    weight: &[f32],
    (precision, layouts): (Precision, Option<&Layouts>),
    epilogue: &Epilogue,
) -> Vec<f32> {
    let passing = Layouts::default();
    let layouts = layouts.unwrap_or(&passing);
    let sizes = [geometry.inputs, geometry.outputs];
    if let Some(tiling) = Tiling::choose(geometry, precision) {
        let make = || Factors::new(kernels, &tiling, weight, sizes).in_precision(precision);
        let factors = layouts.factors(precision, &tiling, make);
        return winograd::forward(kernels, geometry, &tiling, &input.source(), factors, epilogue);
    }
    let [height, width] = geometry.output_size();
    let make = || Panels::from_rows(kernels, weight, geometry.taps() * geometry.inputs, geometry.outputs);
    if geometry.is_pointwise() {
        let Source { images, prologue } = input.source();
        let rows = Rows { values: images, images: geometry.batch, rows: height * width, prologue };
        let matrix = match precision {
            Precision::F32 => Matrix::Full(layouts.panels(make)),
            Precision::Bf16 => Matrix::Pairs(layouts.pair_panels(|| PairPanels::new(kernels, &make()))),
        };
        return dense(kernels, &rows, matrix, epilogue);
    }
    let panels = layouts.panels(make);
    let table = RowTable::build(kernels, geometry.taps(), height * width, |tap, pixel| {
        geometry.input_pixel(tap, [pixel / width, pixel % width]).map(|pixel| pixel * geometry.inputs)
    });
    gathered(kernels, &input.images(), geometry.batch, &table, panels, epilogue)
}

pub(crate) fn input_gradient(
    kernels: &Kernels,
    geometry: &Geometry,
    weight: &[f32],
    gradient: &[f32],
    precision: Precision,
) -> Vec<f32> {
    let ([height, width], stride) = (geometry.size, geometry.options.stride);
    let turned = geometry.turned();
    if let Some((turned, tiling)) =
        turned.and_then(|turned| Some((turned, Tiling::choose_for_batch(&turned, precision)?)))
    {
        let factors = Factors::turned(kernels, &tiling, weight, [turned.inputs, turned.outputs]);
        let factors = factors.in_precision(precision);
        let source = Source { images: gradient, prologue: None };
        return winograd::forward(kernels, &turned, &tiling, &source, &factors, &Epilogue::NONE);
    }
    let panels = Panels::from_columns(kernels, weight, geometry.taps(), geometry.outputs, geometry.inputs);
    if geometry.is_pointwise() {
        let rows =
            Rows { values: gradient, images: 1, rows: geometry.batch * height * width, prologue: None };
        return match precision {
            Precision::F32 => dense(kernels, &rows, Matrix::Full(&panels), &Epilogue::NONE),
            Precision::Bf16 => {
                let panels = PairPanels::new(kernels, &panels);
                dense(kernels, &rows, Matrix::Pairs(&panels), &Epilogue::NONE)
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

pub(crate) fn weight_gradient(
    kernels: &Kernels,
    geometry: &Geometry,
    input: &Input,
    gradient: &[f32],
) -> Vec<f32> {
    if let Some(tiling) = Tiling::choose_for_batch(geometry, Precision::F32) {
        return winograd::weight_gradient(kernels, geometry, &tiling, &input.source(), gradient);
    }
    let [height, width] = geometry.output_size();
    let rows = [geometry.size[0] * geometry.size[1], height * width];
    let table = OuterTable::build(geometry.taps(), rows, geometry.inputs, |tap, pixel| {
        geometry.input_pixel(tap, [pixel / width, pixel % width])
    });
    let sizes = [geometry.inputs, geometry.outputs];
    outer_sum(kernels, [&input.images(), gradient], geometry.batch, &table, sizes)
}

/// The gradient of a bias `[outputs]`, or of one a sample, `[batch, outputs]`.
pub(crate) fn bias_gradient(geometry: &Geometry, gradient: &[f32], per_sample: bool) -> Vec<f32> {
    if !per_sample {
        return column_sums(gradient, geometry.outputs);
    }
    let image = gradient.len() / geometry.batch.max(1);
    gradient.chunks_exact(image.max(1)).flat_map(|image| column_sums(image, geometry.outputs)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::simd::Level;
    use crate::plain::{assert_close, conv2d_products, numbers};

    fn geometries() -> Vec<Geometry> {
        let case = |batch, size, inputs, kernel: usize, outputs, stride, padding| Geometry {
            batch,
            size,
            inputs,
            kernel: [kernel; 2],
            outputs,
            options: Conv2dOptions::new(stride, padding),
        };
        vec![
            case(2, [8, 8], 16, 3, 32, 1, [1; 4]),
            case(3, [7, 5], 3, 3, 17, 1, [1; 4]),
            case(1, [1, 1], 5, 1, 3, 1, [0; 4]),
            case(2, [1, 1], 4, 3, 33, 1, [1; 4]),
            case(2, [9, 6], 7, 5, 48, 1, [2; 4]),
            case(2, [8, 8], 12, 3, 40, 2, [1; 4]),
            case(2, [8, 9], 9, 3, 16, 2, [0, 1, 0, 1]),
            case(1, [16, 16], 1, 3, 1, 1, [2, 0, 1, 3]),
            case(5, [4, 4], 24, 1, 64, 1, [0; 4]),
            case(1, [6, 6], 3, 2, 5, 3, [0; 4]),
            case(4, [12, 12], 8, 3, 8, 1, [0; 4]),
            // By Winograd's method, with tiles of four and of two, whole and cut.
            case(2, [16, 16], 20, 3, 40, 1, [1; 4]),
            case(2, [15, 18], 17, 3, 16, 1, [1; 4]),
            case(3, [8, 8], 32, 3, 17, 1, [1; 4]),
            case(1, [9, 10], 16, 3, 56, 1, [2, 0, 0, 1]),
            case(9, [4, 4], 24, 3, 24, 1, [1; 4]),
            case(1, [20, 17], 16, 3, 16, 1, [0; 4]),
        ]
    }

    #[test]
    fn equals_the_formula_at_every_instruction_set() {
        for geometry in geometries() {
            let sizes = [geometry.input_shape(), geometry.weight_shape(), geometry.output_shape()];
            let [x, w, g] = [0, 1, 2].map(|i| numbers(sizes[i].iter().product(), i as u64 + 1));
            let bias = numbers(geometry.outputs, 4);
            let mut y: Vec<f64> = (0..g.len()).map(|index| bias[index % geometry.outputs].into()).collect();
            let (mut dx, mut dw) = (vec![0.0f64; x.len()], vec![0.0f64; w.len()]);
            conv2d_products(&geometry, |input, weight, output| {
                y[output] += f64::from(x[input]) * f64::from(w[weight]);
                dx[input] += f64::from(g[output]) * f64::from(w[weight]);
                dw[weight] += f64::from(g[output]) * f64::from(x[input]);
            });
            for level in Level::available() {
                let (kernels, what) =
                    (Kernels::of(level), |name| format!("{name} at {level:?} of {geometry:?}"));
                // 1e-5: f32 chains of a few hundred terms.
                assert_close(
                    &forward(
                        &kernels,
                        &geometry,
                        &Input::Plain(&x),
                        &w,
                        (Precision::F32, None),
                        &Epilogue::bias(Some(&bias)),
                    ),
                    &y,
                    1e-5,
                    &what("output"),
                );
                assert_close(
                    &input_gradient(&kernels, &geometry, &w, &g, Precision::F32),
                    &dx,
                    1e-5,
                    &what("input gradient"),
                );
                assert_close(
                    &weight_gradient(&kernels, &geometry, &Input::Plain(&x), &g),
                    &dw,
                    1e-5,
                    &what("weight gradient"),
                );
            }
        }
    }

    #[test]
    fn bf16_is_near_and_rounds_alike_at_every_instruction_set() {
        for geometry in geometries() {
            let sizes = [geometry.input_shape(), geometry.weight_shape(), geometry.output_shape()];
            let [x, w, g] = [0, 1, 2].map(|i| numbers(sizes[i].iter().product(), i as u64 + 1));
            let run = |level, precision| {
                let kernels = Kernels::of(level);
                let input = Input::Plain(&x);
                let y = forward(&kernels, &geometry, &input, &w, (precision, None), &Epilogue::NONE);
                [y, input_gradient(&kernels, &geometry, &w, &g, precision)]
            };
            let exact = run(Level::Portable, Precision::F32);
            let rounded = run(Level::Portable, Precision::Bf16);
            for (exact, rounded) in exact.iter().zip(&rounded) {
                let exact: Vec<f64> = exact.iter().copied().map(f64::from).collect();
                // 0.02: 2⁻⁹ for each factor, somewhat more in mapped tiles, largest of some thousands.
                assert_close(rounded, &exact, 0.02, &format!("bf16 of {geometry:?}"));
            }
            let rounded = rounded.map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>());
            for level in Level::available() {
                for (actual, expected) in run(level, Precision::Bf16).iter().zip(&rounded) {
                    // The mapped numbers may fall to either side where they lie between two of type bf16.
                    assert_close(actual, expected, 0.01, &format!("{level:?} of {geometry:?}"));
                }
            }
        }
    }

    #[test]
    fn an_empty_batch_has_no_output_and_zero_gradients() {
        let geometry = Geometry { batch: 0, ..geometries()[0] };
        let (kernels, weight) = (Kernels::best(), vec![1.0; 3 * 3 * 16 * 32]);
        assert!(
            forward(
                &kernels,
                &geometry,
                &Input::Plain(&[]),
                &weight,
                (Precision::F32, None),
                &Epilogue::NONE
            )
            .is_empty()
        );
        assert!(input_gradient(&kernels, &geometry, &weight, &[], Precision::F32).is_empty());
        assert_eq!(weight_gradient(&kernels, &geometry, &Input::Plain(&[]), &[]), vec![0.0; weight.len()]);
    }
}
