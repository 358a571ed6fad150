//! Convolutions and their gradients against the formula, at every instruction set.

use super::super::geometry::{Conv2dOptions, Geometry};
use super::super::images::Images;
use super::super::norm::{Norm, NormActOptions, Source};
use super::arguments::Convolution;
use super::gradients::{input_gradient, weight_gradient};
use crate::loops::{Activation, Kernels};
use crate::plain::{assert_close, numbers};
use crate::simd::{Level, Precision};

/// The images of a convolution as they are.
fn plain<'a>(geometry: &Geometry, values: &'a [f32]) -> Source<'a> {
    Source::plain(Images::new(values, geometry.input_shape()))
}

/// Calls `body` with (input index, weight index, output index) of every product of a convolution.
fn conv2d_products(geometry: &Geometry, mut body: impl FnMut(usize, usize, usize)) {
    let [top, _, left, _] = geometry.options.padding;
    let [batch, out_height, out_width, outputs] = geometry.output_shape();
    let ([height, width], [kernel_h, kernel_w]) = (geometry.size, geometry.kernel);
    for image in 0..batch {
        for y in 0..out_height {
            for x in 0..out_width {
                for ky in 0..kernel_h {
                    for kx in 0..kernel_w {
                        let (iy, ix) = (y * geometry.options.stride + ky, x * geometry.options.stride + kx);
                        if !(top..top + height).contains(&iy) || !(left..left + width).contains(&ix) {
                            continue;
                        }
                        let pixel = (image * height + iy - top) * width + ix - left;
                        for input in 0..geometry.inputs {
                            for output in 0..outputs {
                                body(
                                    pixel * geometry.inputs + input,
                                    ((ky * kernel_w + kx) * geometry.inputs + input) * outputs + output,
                                    ((image * out_height + y) * out_width + x) * outputs + output,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

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
        // Several strips of an image, the last of them odd.
        case(5, [9, 11], 24, 1, 40, 1, [0; 4]),
        case(3, [7, 21], 33, 1, 17, 1, [0; 4]),
        // By Winograd's method, with tiles of four and of two, whole and cut.
        case(2, [16, 16], 20, 3, 40, 1, [1; 4]),
        case(2, [15, 18], 17, 3, 16, 1, [1; 4]),
        case(3, [8, 8], 32, 3, 17, 1, [1; 4]),
        case(1, [9, 10], 16, 3, 56, 1, [2, 0, 0, 1]),
        case(9, [4, 4], 24, 3, 24, 1, [1; 4]),
        case(1, [20, 17], 16, 3, 16, 1, [0; 4]),
        // Rows of more tiles than there are rows.
        case(1, [4, 520], 16, 3, 16, 1, [1; 4]),
        case(2, [8, 300], 16, 3, 16, 1, [1; 4]),
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
        let convolution =
            Convolution { bias: Some(&bias[..]), ..Convolution::new(&x[..], &w[..], geometry.options) };
        for level in Level::available() {
            let (kernels, what) = (Kernels::of(level), |name| format!("{name} at {level:?} of {geometry:?}"));
            // 1e-5: f32 chains of a few hundred terms.
            assert_close(
                &convolution.forward(&kernels, &geometry, &plain(&geometry, &x)),
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
                &weight_gradient(&kernels, &geometry, &plain(&geometry, &x), &g, Precision::F32),
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
            let convolution = Convolution { precision, ..Convolution::new(&x[..], &w[..], geometry.options) };
            let y = convolution.forward(&kernels, &geometry, &plain(&geometry, &x));
            let dw = weight_gradient(&kernels, &geometry, &plain(&geometry, &x), &g, precision);
            [y, input_gradient(&kernels, &geometry, &w, &g, precision), dw]
        };
        let exact = run(Level::Portable, Precision::F32);
        let rounded = run(Level::Portable, Precision::Bf16);
        if geometry.is_pointwise() && geometry.inputs * geometry.size[0] > 16 {
            assert!(
                exact.iter().zip(&rounded).all(|(exact, rounded)| exact != rounded),
                "nothing was rounded"
            );
        }
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

/// The gradient of weights behind a norm is that of the same weights behind what the norm makes.
#[test]
fn weights_behind_a_norm_have_the_gradient_of_what_they_see() {
    let geometry = geometries().into_iter().find(|geometry| geometry.size == [9, 11]).unwrap();
    let (x, g) = (numbers(5 * 99 * 24, 1), numbers(5 * 99 * 40, 2));
    let [gain, offset] = [3, 4].map(|seed| numbers(24, seed));
    let options = NormActOptions { groups: 4, epsilon: 1e-5, activation: Activation::Silu };
    let norm = Norm { gain: &gain[..], offset: &offset[..], scale_shift: None, options };
    let images = Images::new(&x, geometry.input_shape());
    let affine = norm.affine(&images);
    let seen = norm.forward(images, &affine);
    for level in Level::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let run =
                |source: &Source| weight_gradient(&Kernels::of(level), &geometry, source, &g, precision);
            assert_eq!(run(&norm.source(images, &affine)), run(&plain(&geometry, &seen)), "{level:?}");
        }
    }
}

#[test]
fn an_empty_batch_has_no_output_and_zero_gradients() {
    let geometry = Geometry { batch: 0, ..geometries()[0] };
    let (kernels, weight) = (Kernels::best(), vec![1.0; 3 * 3 * 16 * 32]);
    let convolution = Convolution::new(&[][..], &weight[..], geometry.options);
    assert!(convolution.forward(&kernels, &geometry, &plain(&geometry, &[])).is_empty());
    assert!(input_gradient(&kernels, &geometry, &weight, &[], Precision::F32).is_empty());
    assert_eq!(
        weight_gradient(&kernels, &geometry, &plain(&geometry, &[]), &[], Precision::F32),
        vec![0.0; weight.len()]
    );
}
