//! Changes of resolution against their composed bodies and against the convolutions that they are.

use burn::tensor::{DType, Tensor, module, ops};
use onestep_kernels::*;

use crate::by_hand::check;
use crate::support::{assert_close, device, tensor, values};

#[test]
fn resampling_equals_its_composed_body() {
    for shape in [[2, 4, 6, 3], [1, 2, 2, 17], [3, 7, 5, 1]] {
        let length = [shape.iter().product()];
        check("upsample_nearest", &length, |tensors| upsample_nearest(tensors[0].clone().reshape(shape)));
        check("downsample_mean", &length, |tensors| downsample_mean(tensors[0].clone().reshape(shape)));
        for filter in [&[1.0f32, 1.0][..], &[1.0, 3.0, 3.0, 1.0], &[1.0, 2.0, 1.0]] {
            check("fir_upsample", &length, |tensors| fir_upsample(tensors[0].clone().reshape(shape), filter));
            check("fir_downsample", &length, |tensors| {
                fir_downsample(tensors[0].clone().reshape(shape), filter)
            });
        }
        check("resize_bilinear", &length, |tensors| resize_bilinear(tensors[0].clone().reshape(shape), 9, 3));
    }
}

#[test]
fn fir_filters_equal_depthwise_convolutions() {
    let device = device();
    let input = tensor([2, 6, 8, 3], 1, DType::F32, &device);
    for filter in [&[1.0f32, 1.0][..], &[1.0, 3.0, 3.0, 1.0], &[1.0, 2.0, 4.0, 1.0]] {
        let (taps, sum) = (filter.len(), filter.iter().sum::<f32>());
        let outer: Vec<f32> =
            filter.iter().flat_map(|a| filter.iter().map(move |b| a * b / (sum * sum))).collect();
        let kernel =
            Tensor::<1>::from_data(outer.as_slice(), &device).reshape([1, 1, taps, taps]).repeat_dim(0, 3);
        let padding = [(taps - 1) / 2; 2];
        let channels_first = input.clone().permute([0, 3, 1, 2]);
        let options = ops::ConvOptions::new([2; 2], padding, [1; 2], 3);
        let down =
            module::conv2d(channels_first.clone(), kernel.clone(), None, options).permute([0, 2, 3, 1]);
        assert_close(&values(&fir_downsample(input.clone(), filter)), &values(&down), 1e-6, "fir_downsample");
        let options = ops::ConvTransposeOptions::new([2; 2], padding, [0; 2], [1; 2], 3);
        let up = module::conv_transpose2d(channels_first, kernel * 4.0, None, options).permute([0, 2, 3, 1]);
        assert_close(&values(&fir_upsample(input.clone(), filter)), &values(&up), 1e-6, "fir_upsample");
    }
}

/// Shift-tolerant LPIPS mirrors two pixels of each edge before its filter of three.
#[test]
fn blurring_equals_mirroring_and_a_depthwise_convolution() {
    let device = device();
    for [height, width] in [[6, 8], [3, 7], [5, 4]] {
        let input = tensor([2, height, width, 5], 1, DType::F32, &device);
        let mirrored = |size: usize| {
            let inside = 0..size;
            let ends = (1..3).rev().chain(inside).chain((size - 3..size - 1).rev());
            Tensor::<1, burn::tensor::Int>::from_data(
                ends.map(|at| at as i32).collect::<Vec<_>>().as_slice(),
                &device,
            )
        };
        let wide = input.clone().select(1, mirrored(height)).select(2, mirrored(width));
        let binomial = [1.0f32, 2.0, 1.0];
        let kernel: Vec<f32> = binomial.iter().flat_map(|a| binomial.map(|b| a * b / 16.0)).collect();
        let kernel = Tensor::<1>::from_data(kernel.as_slice(), &device).reshape([3, 3, 1]).repeat_dim(2, 5);
        let options = DepthwiseOptions { conv: Conv2dOptions::new(2, [0; 4]), rectifier: Rectifier::None };
        let expected = depthwise_conv2d(wide, kernel, None, options);
        let got = blur_downsample(input, &binomial);
        assert_eq!(got.dims(), expected.dims());
        assert_close(&values(&got), &values(&expected), 1e-6, "blur_downsample");
    }
}
