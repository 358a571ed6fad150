//! Prints how fast the operators run on this CPU, beside the most it can do and beside burn's own.
//!
//! `cargo run --release -p onestep-kernels --example ops`

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use onestep_kernels::{Activation, Conv2dOptions, attention, conv2d, linear, norm_act};

fn main() {
    let ceiling = ceiling();
    println!("FMA ceiling, {} threads: {ceiling:.0} GFLOP/s\n", rayon::current_num_threads());
    println!("{:34} {:>9} {:>9} {:>9}   of the ceiling", "GFLOP/s", "ours", "burn", "ratio");
    for (batch, size, channels, kernel) in [
        (16, 32, 64, 3),
        (16, 32, 128, 3),
        (16, 16, 64, 3),
        (16, 16, 128, 3),
        (16, 8, 256, 3),
        (16, 16, 128, 1),
        (1, 32, 128, 3),
    ] {
        let flop = 2.0 * (batch * size * size * channels * channels * kernel * kernel) as f64;
        for training in [false, true] {
            let device = if training { Device::flex().autodiff() } else { Device::flex() };
            let input = random([batch, size, size, channels], &device);
            let weight = random([kernel, kernel, channels, channels], &device);
            let ours = fastest(|| {
                let output = conv2d(input.clone(), weight.clone(), None, Conv2dOptions::same(kernel));
                finish(output, training);
            });
            let input = random([batch, channels, size, size], &device);
            let weight = random([channels, channels, kernel, kernel], &device);
            let burn = fastest(|| {
                let options = ConvOptions::new([1; 2], [kernel / 2; 2], [1; 2], 1);
                finish(module::conv2d(input.clone(), weight.clone(), None, options), training);
            });
            let flop = if training { 3.0 * flop } else { flop };
            let what = if training { "fwd+bwd" } else { "fwd" };
            report(
                &format!("conv2d {kernel}x{kernel} {batch}x{size}x{size}x{channels} {what}"),
                flop,
                ours,
                burn,
                ceiling,
            );
        }
    }

    println!(
        "\nnorm_act, GB/s of input read once and output written once (training: twice that and the gradient)"
    );
    for (size, channels) in [(32, 64), (32, 128), (16, 128)] {
        for training in [false, true] {
            let device = if training { Device::flex().autodiff() } else { Device::flex() };
            let input = random([16, size, size, channels], &device);
            let [gain, offset] = [0; 2].map(|_| random::<1>([channels], &device));
            let time = fastest(|| {
                let (input, gain, offset) = (input.clone(), gain.clone(), offset.clone());
                finish(norm_act(input, 32, 1e-5, gain, offset, None, Activation::Silu), training);
            });
            let bytes = (16 * size * size * channels * 4) as f64 * if training { 5.0 } else { 2.0 };
            let what = if training { "fwd+bwd" } else { "fwd" };
            println!(
                "norm_act 16x{size}x{size}x{channels} {what:8} {:6.2} ms {:9.1}",
                time * 1e3,
                bytes / time / 1e9
            );
        }
    }

    println!("\nattention and linear, GFLOP/s");
    for training in [false, true] {
        let device = if training { Device::flex().autodiff() } else { Device::flex() };
        let [q, k, v] = [0; 3].map(|_| random([16, 2, 256, 64], &device));
        let time = fastest(|| finish(attention(q.clone(), k.clone(), v.clone()), training));
        let flop = 4.0 * (16 * 2 * 256 * 256 * 64) as f64 * if training { 3.0 } else { 1.0 };
        println!(
            "attention 16x2x256x64 training {training:5} {:6.2} ms {:9.1}",
            time * 1e3,
            flop / time / 1e9
        );
        let x = random([256, 512], &device);
        let w = random([512, 512], &device);
        let time = fastest(|| finish(linear(x.clone(), w.clone(), None), training));
        let flop = 2.0 * (256 * 512 * 512) as f64 * if training { 3.0 } else { 1.0 };
        println!(
            "linear 256x512x512 training {training:5}    {:6.2} ms {:9.1}",
            time * 1e3,
            flop / time / 1e9
        );
    }
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    // Any numbers without structure will do: the fractional parts of a large multiple of the index.
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i: usize| (i as f32 * 0.618_034).fract() * 2.0 - 1.0).collect();
    let tensor = Tensor::from_data(TensorData::new(values, shape), device);
    if device.is_autodiff() { tensor.require_grad() } else { tensor }
}

fn finish<const D: usize>(output: Tensor<D>, training: bool) {
    if training {
        black_box(output.sum().backward());
    } else {
        black_box(output.into_data());
    }
}

/// Seconds of the fastest call of a short run: what else runs on the machine only adds to it.
fn fastest(mut body: impl FnMut()) -> f64 {
    body();
    let begin = Instant::now();
    let mut fastest = f64::INFINITY;
    for call in 0.. {
        if call >= 5 && begin.elapsed().as_secs_f64() > 0.5 {
            break;
        }
        let start = Instant::now();
        body();
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    fastest
}

fn report(what: &str, flop: f64, ours: f64, burn: f64, ceiling: f64) {
    let [ours, burn] = [ours, burn].map(|seconds| flop / seconds / 1e9);
    println!("{what:34} {ours:9.0} {burn:9.0} {:9.1}   {:.0} %", ours / burn, 100.0 * ours / ceiling);
}

/// GFLOP/s of independent multiply-adds in registers, on all threads.
fn ceiling() -> f64 {
    let flop = onestep_kernels::multiply_adds(1) as f64;
    let rounds = 200_000;
    let threads = rayon::current_num_threads();
    let time = fastest(|| {
        rayon::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|_| {
                    black_box(onestep_kernels::multiply_adds(rounds));
                });
            }
        });
    });
    2.0 * flop * (rounds * threads) as f64 / time / 1e9
}
