//! Results that must not change by a bit: a sample alone or in a batch, and anything for any number of threads.

use burn::tensor::{DType, Device, Tensor};
use onestep_kernels::Precision;
use onestep_kernels::*;

use crate::support::{mask, tensor};

fn bits<const D: usize>(tensor: &Tensor<D>) -> Vec<u32> {
    tensor.to_data().try_to_vec::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
}

/// The bits of every operator's result and gradients for a batch.
fn everything(batch: usize) -> Vec<(String, Vec<u32>)> {
    let device = Device::flex().autodiff();
    let mut results = Vec::new();
    let mut seed = 0;
    let mut input = |shape: &[usize]| -> Tensor<1> {
        seed += 1;
        tensor([shape.iter().product::<usize>()], seed, DType::F32, &device).require_grad()
    };
    let mut record = |name: &str, output: Tensor<1>, inputs: &[&Tensor<1>]| {
        results.push((name.to_string(), bits(&output)));
        let weights = tensor(output.dims(), 1000, DType::F32, &device);
        let gradients = (output * weights).sum().backward();
        for (which, input) in inputs.iter().enumerate() {
            results.push((format!("{name} gradient {which}"), bits(&input.grad(&gradients).unwrap())));
        }
    };
    for (size, channels, outputs, kernel, options) in [
        (32, 32, 48, 3, Conv2dOptions::same(3)),
        (16, 3, 64, 3, Conv2dOptions::same(3)),
        (8, 96, 64, 1, Conv2dOptions::same(1)),
        (9, 24, 40, 3, Conv2dOptions::new(2, [1; 4])),
        (4, 64, 64, 3, Conv2dOptions::same(3)),
        (1, 20, 20, 3, Conv2dOptions::same(3)),
    ] {
        let (x, w, b) = (
            input(&[batch, size, size, channels]),
            input(&[kernel, kernel, channels, outputs]),
            input(&[outputs]),
        );
        let (image, weight) = (
            x.clone().reshape([batch, size, size, channels]),
            w.clone().reshape([kernel, kernel, channels, outputs]),
        );
        let output = conv2d(image, weight, Some(b.clone()), options).flatten(0, 3);
        record(&format!("conv2d {size} {channels} {outputs}"), output, &[&x, &w, &b]);
    }
    let (x, gain, offset) = (input(&[batch, 16, 16, 64]), input(&[64]), input(&[64]));
    let (scale, shift) = (input(&[batch, 64]), input(&[batch, 64]));
    let scale_shift = Some((scale.clone().reshape([batch, 64]), shift.clone().reshape([batch, 64])));
    let image = x.clone().reshape([batch, 16, 16, 64]);
    let output = norm_act(image, 32, 1e-5, gain.clone(), offset.clone(), scale_shift, Activation::Silu);
    record("norm_act", output.flatten(0, 3), &[&x, &scale, &shift, &gain, &offset]);

    let x = input(&[batch, 40, 40, 31]);
    let output = dropout(x.clone().reshape([batch, 40, 40, 31]), mask(batch));
    record("dropout", output.flatten(0, 3), &[&x]);

    let qkv = input(&[batch, 100, 3 * 2 * 24]);
    let output = attention(qkv.clone().reshape([batch, 100, 3 * 2 * 24]), 2, Precision::F32);
    record("attention", output.flatten(0, 2), &[&qkv]);
    let output = attention(qkv.clone().reshape([batch, 100, 3 * 2 * 24]), 2, Precision::Bf16);
    record("attention in bf16", output.flatten(0, 2), &[&qkv]);

    let (x, w, b) = (input(&[batch, 200]), input(&[200, 300]), input(&[300]));
    let output = linear(x.clone().reshape([batch, 200]), w.clone().reshape([200, 300]), Some(b.clone()));
    record("linear", silu(output).flatten(0, 1), &[&x, &w, &b]);

    let x = input(&[batch, 12, 12, 20]);
    let image = || x.clone().reshape([batch, 12, 12, 20]);
    record("upsample_nearest", upsample_nearest(image()).flatten(0, 3), &[&x]);
    record("fir_downsample", fir_downsample(image(), &[1.0, 3.0, 3.0, 1.0]).flatten(0, 3), &[&x]);
    let pool = PoolOptions { pool: Pool::Mean, kernel: 3, stride: 1, padding: 1, rectifier: Rectifier::Relu };
    record("pool2d", pool2d(image(), pool).flatten(0, 3), &[&x]);
    record("resize_bilinear", resize_bilinear(image(), 20, 7).flatten(0, 3), &[&x]);

    let (x, w, b) = (input(&[batch, 14, 14, 48]), input(&[5, 5, 48]), input(&[48]));
    let options = DepthwiseOptions { conv: Conv2dOptions::same(5), rectifier: Rectifier::Relu6 };
    let (image, weight) = (x.clone().reshape([batch, 14, 14, 48]), w.clone().reshape([5, 5, 48]));
    let output = depthwise_conv2d(image, weight, Some(b.clone()), options).flatten(0, 3);
    record("depthwise_conv2d", output, &[&x, &w, &b]);

    let [p, g, m, v] = [0; 4].map(|_| input(&[50_000]).inner());
    let (p, m, v) = adam_update(p, g, m, v.abs(), AdamCoefficients::radam(0.01, [0.9, 0.999], 1e-8, 9));
    for (name, tensor) in [("parameter", p), ("first", m), ("second", v)] {
        results.push((name.to_string(), bits(&tensor)));
    }
    results
}

#[test]
fn no_bit_depends_on_the_number_of_threads() {
    let with = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| everything(5))
    };
    let one = with(1);
    for threads in [2, 7] {
        for ((name, expected), (_, actual)) in one.iter().zip(with(threads)) {
            assert!(*expected == actual, "{name} differs between 1 and {threads} threads");
        }
    }
}

#[test]
fn no_bit_of_a_sample_depends_on_its_batch() {
    // The numbers of the first samples are the same in every batch; those of shared tensors follow and are compared only
    // where the results belong to samples.
    let device = Device::flex();
    let image = |batch: usize, shape: [usize; 3]| -> Tensor<4> {
        let whole = tensor([40, shape[0], shape[1], shape[2]], 1, DType::F32, &device);
        whole.slice(0..batch)
    };
    let check = |name: &str, body: &dyn Fn(usize) -> Vec<u32>| {
        let alone = body(1);
        for batch in [2, 3, 7, 16, 40] {
            assert!(
                body(batch)[..alone.len()] == alone[..],
                "{name}: a sample differs alone and in a batch of {batch}"
            );
        }
    };
    for (size, channels, outputs, kernel, options) in [
        (32, 16, 33, 3, Conv2dOptions::same(3)),
        (8, 64, 64, 1, Conv2dOptions::same(1)),
        (9, 24, 40, 3, Conv2dOptions::new(2, [1; 4])),
        (2, 32, 32, 3, Conv2dOptions::same(3)),
        (1, 20, 20, 3, Conv2dOptions::same(3)),
    ] {
        let weight = tensor([kernel, kernel, channels, outputs], 2, DType::F32, &device);
        check(&format!("conv2d {size}"), &|batch| {
            bits(&conv2d(image(batch, [size, size, channels]), weight.clone(), None, options))
        });
        check(&format!("conv2d {size} input gradient"), &|batch| {
            let input = image(batch, [size, size, channels]).autodiff().require_grad();
            let output = conv2d(input.clone(), weight.clone().autodiff(), None, options);
            let weights = image(batch, [output.dims()[1], output.dims()[2], outputs]).autodiff();
            bits(&input.grad(&(output * weights).sum().backward()).unwrap())
        });
    }
    let [gain, offset] = [3, 4].map(|seed| tensor::<1>([48], seed, DType::F32, &device));
    check("norm_act", &|batch| {
        let input = image(batch, [20, 20, 48]);
        bits(&norm_act(input, 12, 1e-5, gain.clone(), offset.clone(), None, Activation::Silu))
    });
    check("dropout", &|batch| bits(&dropout(image(batch, [20, 20, 48]), mask(batch))));
    for precision in [Precision::F32, Precision::Bf16] {
        check(&format!("attention in {}", precision.name()), &|batch| {
            bits(&attention(image(batch, [1, 77, 3 * 2 * 16]).squeeze_dim(1), 2, precision))
        });
    }
    let weight = tensor([300, 130], 5, DType::F32, &device);
    check("linear", &|batch| {
        bits(&linear(image(batch, [1, 1, 300]).reshape([batch, 300]), weight.clone(), None))
    });
    check("resize_bilinear", &|batch| bits(&resize_bilinear(image(batch, [5, 6, 7]), 11, 4)));
}
