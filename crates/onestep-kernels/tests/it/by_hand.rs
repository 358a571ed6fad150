//! The f32 bodies and gradients, on the CPU those written by hand, against the composed ones in f64.

use burn::tensor::{DType, Device, Tensor};
use onestep_kernels::Precision;
use onestep_kernels::*;

use crate::support::{assert_close, device, device_of, has_bf16, mask, numbers, values};

/// Runs `body` and its gradients in f32 and in f64 on the same numbers and compares everything.
///
/// `tracked` says which inputs get gradients; the others must not get in the way.
#[track_caller]
pub fn check<const D: usize>(what: &str, lengths: &[usize], body: impl Fn(&[Tensor<1>]) -> Tensor<D>) {
    let run = |dtype: DType, tracked: &dyn Fn(usize) -> bool| {
        let device = device_of(dtype).autodiff();
        let inputs: Vec<Tensor<1>> = (lengths.iter().enumerate())
            .map(|(which, &length)| {
                // Rounded to f32 for both.
                let numbers: Vec<f64> =
                    numbers(length, which as u64 + 1).iter().map(|x| f64::from(*x as f32)).collect();
                let tensor = Tensor::from_data(numbers.as_slice(), (&device, dtype));
                if tracked(which) { tensor.require_grad() } else { tensor }
            })
            .collect();
        let output = body(&inputs);
        let weights = numbers(output.shape().num_elements(), 77);
        let weights: Vec<f64> = weights.iter().map(|x| f64::from(*x as f32)).collect();
        let weights = Tensor::<1>::from_data(weights.as_slice(), (&device, dtype)).reshape(output.shape());
        let gradients = (output.clone() * weights).sum().backward();
        let gradients: Vec<_> =
            inputs.iter().map(|input| input.grad(&gradients).map(|g| values(&g))).collect();
        (values(&output), gradients)
    };
    let (expected, expected_gradients) = run(DType::F64, &|_| true);
    for only in std::iter::once(None).chain((0..lengths.len()).map(Some)) {
        let tracked = |which| only.is_none_or(|only| only == which);
        let (actual, gradients) = run(DType::F32, &tracked);
        assert_close(&actual, &expected, 5e-6, what);
        for (which, gradient) in gradients.into_iter().enumerate() {
            assert_eq!(gradient.is_some(), tracked(which), "{what}: gradient of input {which}");
            if let (Some(gradient), Some(expected)) = (gradient, &expected_gradients[which]) {
                assert_close(&gradient, expected, 2e-5, &format!("{what}: gradient of input {which}"));
            }
        }
    }
    // The same without autodiff.
    let device = device();
    let inputs: Vec<Tensor<1>> = (lengths.iter().zip(1..))
        .map(|(&length, seed)| Tensor::from_data(numbers(length, seed).as_slice(), (&device, DType::F32)))
        .collect();
    assert_close(&values(&body(&inputs)), &expected, 5e-6, what);
}

#[test]
fn conv2d_equals_its_composed_body() {
    for (batch, [height, width], inputs, kernel, outputs, stride, padding) in [
        (2, [8, 8], 16, 3, 32, 1, [1; 4]),
        (3, [5, 7], 3, 3, 20, 1, [1; 4]),
        (2, [1, 1], 5, 1, 3, 1, [0; 4]),
        (2, [9, 8], 6, 3, 10, 2, [1; 4]),
        (1, [8, 8], 4, 3, 4, 2, [0, 1, 0, 1]),
        (2, [6, 6], 4, 5, 4, 1, [2, 1, 0, 3]),
    ] {
        let lengths = [batch * height * width * inputs, kernel * kernel * inputs * outputs, outputs];
        check(&format!("conv2d {kernel} {stride} {padding:?} {inputs} to {outputs}"), &lengths, |tensors| {
            let [x, w, b] = [0, 1, 2].map(|which| tensors[which].clone());
            let weight = w.reshape([kernel, kernel, inputs, outputs]);
            conv2d(
                x.reshape([batch, height, width, inputs]),
                weight,
                Some(b),
                Conv2dOptions::new(stride, padding),
            )
        });
    }
    check("conv2d without bias", &[2 * 4 * 4 * 3, 3 * 3 * 3 * 5], |tensors| {
        let [x, w] = [0, 1].map(|which| tensors[which].clone());
        conv2d(x.reshape([2, 4, 4, 3]), w.reshape([3, 3, 3, 5]), None, Conv2dOptions::same(3))
    });
    check("conv2d of views", &[2 * 4 * 4 * 3, 3 * 3 * 3 * 5], |tensors| {
        let [x, w] = [0, 1].map(|which| tensors[which].clone());
        let (x, w) =
            (x.reshape([2, 3, 4, 4]).permute([0, 2, 3, 1]), w.reshape([5, 3, 3, 3]).permute([2, 3, 1, 0]));
        conv2d(x.slice([0..2, 0..4, 1..4, 0..3]), w, None, Conv2dOptions::same(3))
    });
}

#[test]
fn rectified_convolutions_equal_their_composed_body() {
    // By Winograd's method, from rows in memory, and gathered.
    for (size, inputs, kernel, outputs, options) in [
        (16, 16, 3, 20, Conv2dOptions::same(3)),
        (5, 12, 1, 40, Conv2dOptions::same(1)),
        (7, 6, 3, 10, Conv2dOptions::new(2, [1; 4])),
    ] {
        for rectifier in [Rectifier::Relu, Rectifier::Relu6] {
            let [out_height, out_width] = options.output_size([size; 2], [kernel; 2]);
            let (input, output) = ([2, size, size, inputs], [2, out_height, out_width, outputs]);
            let weight = [kernel, kernel, inputs, outputs];
            let lengths = [input, weight, [1, 1, 1, outputs], output].map(|shape| shape.iter().product());
            check(&format!("{rectifier:?} of {input:?} to {output:?}"), &lengths, |tensors| {
                let [x, w, b, r] = [0, 1, 2, 3].map(|which| tensors[which].clone());
                // The sums are large enough that there is something to cut off at 6.
                let (x, w) = (x.reshape(input), w.reshape(weight));
                let (bias, residual) = (Some(b.unsqueeze_dim(0)), Some(r.reshape(output)));
                Convolution { bias, residual, rectifier, ..Convolution::new(x, w, options) }.forward()
            });
        }
    }
}

#[test]
fn depthwise_convolutions_equal_their_composed_body() {
    for ([height, width], channels, [kernel_h, kernel_w], stride, padding) in [
        ([8, 8], 20, [3, 3], 1, [1; 4]),
        ([9, 6], 5, [5, 5], 2, [1, 2, 1, 2]),
        ([4, 7], 33, [1, 3], 1, [0, 0, 1, 1]),
    ] {
        for rectifier in [Rectifier::None, Rectifier::Relu6] {
            let options = DepthwiseOptions { conv: Conv2dOptions::new(stride, padding), rectifier };
            let lengths = [2 * height * width * channels, kernel_h * kernel_w * channels, channels];
            check(&format!("depthwise_conv2d {options:?}"), &lengths, |tensors| {
                let [x, w, b] = [0, 1, 2].map(|which| tensors[which].clone() * 2.0);
                let weight = w.reshape([kernel_h, kernel_w, channels]);
                depthwise_conv2d(x.reshape([2, height, width, channels]), weight, Some(b), options)
            });
        }
    }
}

#[test]
fn joining_equals_its_composed_body() {
    for channels in [vec![3, 20], vec![1, 2, 3, 4, 5, 6], vec![8]] {
        let lengths: Vec<usize> = channels.iter().map(|channels| 2 * 3 * 5 * channels).collect();
        check(&format!("concat of {channels:?}"), &lengths, |tensors| {
            let parts = tensors.iter().zip(&channels);
            concat(parts.map(|(part, channels)| part.clone().reshape([2, 3, 5, *channels])).collect())
        });
    }
}

#[test]
fn pooling_equals_its_composed_body() {
    for (shape, kernel, stride, padding) in
        [([2, 7, 6, 20], 3, 1, 1), ([1, 9, 8, 3], 3, 2, 0), ([2, 4, 4, 5], 2, 2, 0)]
    {
        for pool in [Pool::Max, Pool::Mean] {
            let options = PoolOptions { pool, kernel, stride, padding, rectifier: Rectifier::Relu };
            check(&format!("{options:?}"), &[shape.iter().product()], |tensors| {
                pool2d(tensors[0].clone().reshape(shape), options)
            });
        }
    }
}

#[test]
fn norm_act_equals_its_composed_body() {
    for (batch, size, channels, groups) in
        [(2, [3, 2], 4, 2), (1, [1, 1], 8, 2), (2, [16, 16], 64, 32), (3, [9, 7], 6, 1), (2, [2, 2], 5, 5)]
            .into_iter()
            // More channels in a group than a cube of a card has units, and a number that does not divide them.
            .chain([(1, [3, 3], 300, 1), (2, [2, 5], 192, 2)])
    {
        for activation in [Activation::None, Activation::Silu] {
            let what = format!("norm_act {batch} {size:?} {channels} in {groups}, {activation:?}");
            let shape = [batch, size[0], size[1], channels];
            let length = shape.iter().product();
            check(&what, &[length, channels, channels], |tensors| {
                let [x, gain, offset] = [0, 1, 2].map(|which| tensors[which].clone());
                norm_act(x.reshape(shape), groups, 1e-5, gain, offset, None, activation)
            });
            check(&what, &[length, channels, channels, batch * channels, batch * channels], |tensors| {
                let [x, gain, offset, scale, shift] = [0, 1, 2, 3, 4].map(|which| tensors[which].clone());
                let scale_shift = [scale, shift].map(|tensor| tensor.reshape([batch, channels]));
                norm_act(x.reshape(shape), groups, 1e-5, gain, offset, Some(scale_shift.into()), activation)
            });
        }
    }
}

#[test]
fn norm_act_does_not_cancel_far_from_zero() {
    // Mean a thousand times the deviation: E[x²] − E[x]² in f32 would be noise.
    let run = |dtype| {
        let shape = [1, 16, 16, 8];
        let numbers: Vec<f64> = numbers(2048, 5).iter().map(|x| f64::from((x + 1000.0) as f32)).collect();
        let device = device_of(dtype);
        let tensor = Tensor::<1>::from_data(numbers.as_slice(), (&device, dtype)).reshape(shape);
        let one = Tensor::<1>::from_data([1.0f64; 8], (&device, dtype));
        values(&norm_act(tensor, 2, 1e-5, one.clone(), one.zeros_like(), None, Activation::None))
    };
    // 1e-4: the inputs themselves are rounded to 6e-5 of the deviation.
    assert_close(&run(DType::F32), &run(DType::F64), 1e-4, "norm_act at 1000");
}

#[test]
fn attention_equals_its_composed_body() {
    for (batch, heads, tokens, width) in [(2, 2, 5, 4), (1, 1, 1, 3), (1, 2, 70, 20), (2, 1, 64, 64)] {
        let shape = [batch, tokens, 3 * heads * width];
        check(&format!("attention {shape:?}"), &[shape.iter().product()], |tensors| {
            // Spread the scores, so that the softmax is not flat.
            attention(tensors[0].clone().reshape(shape) * 2.0, heads, Precision::F32)
        });
    }
}

#[test]
fn linear_and_silu_equal_their_composed_bodies() {
    for [rows, inputs, outputs] in [[1, 1, 1], [5, 7, 33], [130, 64, 48]] {
        check(
            &format!("linear {rows} {inputs} {outputs}"),
            &[rows * inputs, inputs * outputs, outputs],
            |tensors| {
                let [x, w, b] = [0, 1, 2].map(|which| tensors[which].clone());
                silu(linear(x.reshape([rows, inputs]), w.reshape([inputs, outputs]), Some(b)))
            },
        );
    }
}

#[test]
fn dropout_equals_its_composed_body() {
    for shape in [[1, 1, 1, 3], [3, 5, 7, 9], [2, 16, 16, 64]] {
        check(&format!("dropout of {shape:?}"), &[shape.iter().product()], |tensors| {
            dropout(tensors[0].clone().reshape(shape), mask(shape[0]))
        });
        check(&format!("dropout of a view like {shape:?}"), &[shape.iter().product()], |tensors| {
            let [batch, height, width, channels] = shape;
            let turned = tensors[0].clone().reshape([channels, batch, height, width]);
            dropout(turned.permute([1, 2, 3, 0]), mask(batch))
        });
    }
    if !has_bf16("dropout") {
        return;
    }
    // In bf16 it is the product in f32, rounded.
    let input = crate::support::tensor([2, 3, 5, 7], 1, DType::BF16, &device());
    let full = dropout(input.clone().cast(DType::F32), mask(2)).cast(DType::BF16);
    let half = dropout(input, mask(2));
    assert_eq!(half.dtype(), DType::BF16);
    assert_eq!(values(&half), values(&full));
}

#[test]
fn a_mask_has_the_same_bits_on_every_device() {
    let masked = |device: &Device| {
        let ones = Tensor::<4>::ones([3, 5, 7, 9], device);
        dropout(ones, mask(3)).into_data().try_to_vec::<f32>().unwrap()
    };
    let (expected, actual) = (masked(&Device::flex()), masked(&device()));
    assert!(expected.contains(&0.0) && expected.contains(&1.5));
    assert_eq!(actual, expected);
}

#[test]
#[should_panic(expected = "a batch of 2 and a mask of 3 samples")]
fn a_mask_of_another_batch_is_refused() {
    dropout(Tensor::zeros([2, 1, 1, 1], &device()), mask(3));
}

#[test]
fn half_precision_runs_the_composed_bodies() {
    if !has_bf16("half precision") {
        return;
    }
    let device = device().autodiff();
    let half = |shape: &[usize], seed| {
        let whole = crate::support::tensor([shape.iter().product()], seed, DType::F32, &device);
        whole.cast(DType::BF16).require_grad()
    };
    let [x, w, b] = [half(&[2 * 8 * 8 * 16], 1), half(&[3 * 3 * 16 * 16], 2), half(&[16], 3)];
    let body = |x: Tensor<1>, w: Tensor<1>, b: Tensor<1>| {
        let (image, weight) = (x.reshape([2, 8, 8, 16]), w.reshape([3, 3, 16, 16]) * 0.1);
        let y = conv2d(image, weight, Some(b.clone()), Conv2dOptions::same(3));
        let y = upsample_nearest(norm_act(y, 4, 1e-5, b.clone(), b, None, Activation::Silu));
        let tokens = y.reshape([2, 256, 16]);
        silu(attention(Tensor::cat(vec![tokens.clone(), tokens.clone(), tokens], 2), 1, Precision::F32))
    };
    let output = body(x.clone(), w.clone(), b.clone());
    assert_eq!(output.dtype(), DType::BF16);
    let expected = body(x.clone().cast(DType::F32), w.cast(DType::F32), b.cast(DType::F32));
    // bf16 has 8 bits; five operators in a row.
    assert_close(&values(&output), &values(&expected), 5e-2, "bf16");
    assert!(x.grad(&output.sum().backward()).is_some());
}

#[test]
fn gradients_are_the_same_with_gradient_checkpointing() {
    let run = |device: Device| {
        let x = crate::support::tensor([2, 8, 8, 16], 1, DType::F32, &device).require_grad();
        let w = crate::support::tensor([3, 3, 16, 16], 2, DType::F32, &device).require_grad();
        let gain = Tensor::<1>::ones([16], &device);
        let hidden = norm_act(x.clone() * 2.0, 4, 1e-5, gain.clone(), gain, None, Activation::Silu);
        let gradients = silu(conv2d(hidden, w.clone(), None, Conv2dOptions::same(3))).sum().backward();
        (values(&x.grad(&gradients).unwrap()), values(&w.grad(&gradients).unwrap()))
    };
    assert_eq!(run(device().autodiff()), run(device().autodiff().gradient_checkpointing()));
}
