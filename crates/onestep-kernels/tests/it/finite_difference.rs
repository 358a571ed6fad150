//! Gradients in f64, where the bodies are composed of burn's operations, against central differences.

use burn::tensor::{DType, Device, Tensor};
use onestep_kernels::Precision;
use onestep_kernels::*;

use crate::support::{assert_close, device_of, numbers, tensor, values};

/// Differentiates a weighted sum of `body`'s result by each input both ways.
///
/// Inputs are vectors; `body` gives them their shapes.
#[track_caller]
fn check<const D: usize>(what: &str, lengths: &[usize], body: impl Fn(&[Tensor<1>]) -> Tensor<D>) {
    let device = Device::flex();
    let inputs: Vec<Vec<f64>> =
        lengths.iter().zip(1..).map(|(&length, seed)| numbers(length, seed)).collect();
    let upload = |inputs: &[Vec<f64>], device: &Device| -> Vec<Tensor<1>> {
        inputs.iter().map(|values| Tensor::from_data(values.as_slice(), (device, DType::F64))).collect()
    };
    let loss = |inputs: &[Tensor<1>], device: &Device| {
        let output = body(inputs);
        let weights = tensor(output.dims(), 99, DType::F64, device);
        (output * weights).sum()
    };

    let autodiff = Device::flex().autodiff();
    let tracked: Vec<_> = upload(&inputs, &autodiff).into_iter().map(Tensor::require_grad).collect();
    let mut gradients = loss(&tracked, &autodiff).backward();
    for (which, input) in tracked.iter().enumerate() {
        let gradient = values(&input.grad_remove(&mut gradients).expect("every input has a gradient"));
        let numeric: Vec<f64> = (0..lengths[which])
            .map(|index| {
                let step = 1e-5;
                let at = |change: f64| {
                    let mut inputs = inputs.clone();
                    inputs[which][index] += change;
                    values(&loss(&upload(&inputs, &device), &device))[0]
                };
                (at(step) - at(-step)) / (2.0 * step)
            })
            .collect();
        // Central differences with step 1e-5 err by about 1e-10 here.
        assert_close(&gradient, &numeric, 1e-7, &format!("{what}, input {which}"));
    }
}

#[test]
fn conv2d_gradients() {
    for (kernel, stride, padding) in
        [(3, 1, [1; 4]), (1, 1, [0; 4]), (3, 2, [0, 1, 0, 1]), (3, 2, [1; 4]), (5, 1, [2; 4])]
    {
        check(
            &format!("conv2d {kernel} {stride} {padding:?}"),
            &[2 * 6 * 5 * 2, kernel * kernel * 2 * 3, 3],
            |inputs| {
                let [x, w, b] = [0, 1, 2].map(|input| inputs[input].clone());
                let weight = w.reshape([kernel, kernel, 2, 3]);
                conv2d(x.reshape([2, 6, 5, 2]), weight, Some(b), Conv2dOptions::new(stride, padding))
            },
        );
    }
}

#[test]
fn norm_act_gradients() {
    for activation in [Activation::None, Activation::Silu] {
        check("norm_act", &[2 * 3 * 2 * 4, 4, 4, 8, 8], |inputs| {
            let [x, gain, offset, scale, shift] = [0, 1, 2, 3, 4].map(|input| inputs[input].clone());
            let scale_shift = Some((scale.reshape([2, 4]), shift.reshape([2, 4])));
            norm_act(x.reshape([2, 3, 2, 4]), 2, 1e-5, gain, offset, scale_shift, activation)
        });
    }
}

#[test]
fn attention_gradients() {
    check("attention", &[5 * 3 * 2 * 4], |inputs| {
        attention(inputs[0].clone().reshape([1, 5, 24]), 2, Precision::F32)
    });
}

#[test]
fn linear_and_silu_gradients() {
    check("linear", &[3 * 4, 4 * 5, 5], |inputs| {
        let [x, w, b] = [0, 1, 2].map(|input| inputs[input].clone());
        silu(linear(x.reshape([3, 4]), w.reshape([4, 5]), Some(b)))
    });
}

#[test]
fn resampling_gradients() {
    let shape = [2, 4, 6, 3];
    let length = [shape.iter().product()];
    check("upsample_nearest", &length, |inputs| upsample_nearest(inputs[0].clone().reshape(shape)));
    check("downsample_mean", &length, |inputs| downsample_mean(inputs[0].clone().reshape(shape)));
    for filter in [&[1.0f32, 1.0][..], &[1.0, 3.0, 3.0, 1.0], &[1.0, 2.0, 4.0, 1.0]] {
        check("fir_upsample", &length, |inputs| fir_upsample(inputs[0].clone().reshape(shape), filter));
        check("fir_downsample", &length, |inputs| fir_downsample(inputs[0].clone().reshape(shape), filter));
    }
    check("blur_downsample", &length, |inputs| {
        blur_downsample(inputs[0].clone().reshape(shape), &[1.0, 2.0, 1.0])
    });
    check("resize_bilinear", &length, |inputs| resize_bilinear(inputs[0].clone().reshape(shape), 7, 5));
}

/// The tangent of a norm against central differences in f64, and in f32 against f64.
#[test]
fn norm_act_tangents() {
    for (groups, activation, modulated) in
        [(1, Activation::None, false), (2, Activation::Silu, false), (3, Activation::Silu, true)]
    {
        let (shape, samples) = ([2, 5, 3, 6], [2, 6]);
        let at = |dtype, step: f64| {
            let device = device_of(dtype);
            let image = |seed| tensor(shape, seed, dtype, &device);
            let sample = |seed| tensor(samples, seed, dtype, &device);
            let norm = |step: f64| Norm {
                gain: tensor([6], 3, dtype, &device),
                offset: tensor([6], 4, dtype, &device),
                scale_shift: modulated.then(|| (sample(5) + sample(7) * step, sample(6) + sample(8) * step)),
                options: NormActOptions { groups, epsilon: 1e-5, activation },
            };
            let tangent =
                norm_act_tangent([image(1), image(2)], norm(0.0), modulated.then(|| (sample(7), sample(8))));
            let moved = |step: f64| {
                let Norm { gain, offset, scale_shift, options } = norm(step);
                let input = image(1) + image(2) * step;
                values(&norm_act(input, groups, options.epsilon, gain, offset, scale_shift, activation))
            };
            let slopes = moved(step).iter().zip(moved(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect();
            (values(&tangent), slopes)
        };
        let what = format!("norm_act tangent, {groups} groups, {activation:?}, modulated: {modulated}");
        let (double, slopes): (_, Vec<f64>) = at(DType::F64, 1e-5);
        assert_close(&double, &slopes, 1e-7, &what);
        // f32 through sums over some twenty pixels.
        assert_close(&at(DType::F32, 1.0).0, &double, 1e-5, &what);
    }
}
