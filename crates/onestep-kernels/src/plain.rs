//! The twins of the hand-written bodies, written as their formulas and summed in f64; the tests compare with them.

use crate::flex::conv2d::Geometry;

/// Reproducible numbers in [-1, 1).
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    for _ in 0..8 {
        next();
    }
    (0..count).map(|_| next()).collect()
}

/// Panics unless both agree within `tolerance` of the largest magnitude.
#[track_caller]
pub(crate) fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths differ");
    let largest = expected.iter().fold(1e-30f64, |largest, value| largest.max(value.abs()));
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let difference = (f64::from(actual) - expected).abs();
        assert!(
            difference <= tolerance * largest,
            "{what}: {actual} instead of {expected} at {index}, off by {difference:e}, largest is {largest:e}"
        );
    }
}

/// Calls `body` with (input index, weight index, output index) of every product of a convolution.
pub(crate) fn conv2d_products(geometry: &Geometry, mut body: impl FnMut(usize, usize, usize)) {
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
