//! Optimizer and average updates and SiLU in f32: one pass over memory each.

#![allow(unsafe_code, reason = "tasks write disjoint chunks of the outputs")]

use super::elementwise::{silu as silu_of, silu_slope, vectorised};
use super::memory::filled_each;
use crate::update::AdamCoefficients;

/// Elements a task handles.
const CHUNK: usize = 16 * 1024;

/// Runs `body(range)` over fixed chunks, filling `N` vectors of `length`.
fn chunked<const N: usize>(
    length: usize,
    body: impl Fn(std::ops::Range<usize>, [&mut [f32]; N]) + Sync,
) -> [Vec<f32>; N] {
    // SAFETY: chunks are disjoint and the bodies of this module write them whole.
    unsafe {
        filled_each([length; N], length.div_ceil(CHUNK), |index, shared| {
            let range = index * CHUNK..((index + 1) * CHUNK).min(length);
            let slices = shared.each_ref().map(|shared| shared.slice(range.start, range.len()));
            body(range, slices);
        })
    }
}

pub(crate) fn adam(
    [parameter, gradient, first, second]: [&[f32]; 4],
    coefficients: AdamCoefficients,
) -> [Vec<f32>; 3] {
    let length = parameter.len();
    let root = coefficients.root;
    let numbers = [
        coefficients.beta1,
        1.0 - coefficients.beta1,
        coefficients.beta2,
        1.0 - coefficients.beta2,
        coefficients.coupled_decay,
        1.0 - coefficients.decoupled_decay,
        coefficients.step_size,
        root.map_or(0.0, |root| root.scale),
        // Without a root the denominator is 0 · √v + 1.
        root.map_or(1.0, |root| root.epsilon),
    ]
    .map(|number| number as f32);
    chunked(length, |range, [parameter_out, first_out, second_out]| {
        first_out.copy_from_slice(&first[range.clone()]);
        second_out.copy_from_slice(&second[range.clone()]);
        parameter_out.copy_from_slice(&parameter[range.clone()]);
        adam_chunk(&gradient[range], numbers, parameter_out, first_out, second_out);
    })
}

vectorised! {
    fn adam_chunk(gradient: &[f32], numbers: [f32; 9], parameter: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let [beta1, rest1, beta2, rest2, coupled, keep, step, scale, epsilon] = numbers;
        let states = parameter.iter_mut().zip(first.iter_mut().zip(second.iter_mut()));
        for ((parameter, (first, second)), gradient) in states.zip(gradient) {
            let gradient = gradient + coupled * *parameter;
            *first = beta1 * *first + rest1 * gradient;
            *second = beta2 * *second + rest2 * (gradient * gradient);
            *parameter = keep * *parameter - step * (*first / (second.sqrt() * scale + epsilon));
        }
    }
}

pub(crate) fn ema(average: &[f32], source: &[f32], rate: f64) -> Vec<f32> {
    let (keep, take) = (rate as f32, (1.0 - rate) as f32);
    let [result] = chunked(average.len(), |range, [output]| {
        blend(&average[range.clone()], &source[range], keep, take, output)
    });
    result
}

vectorised! {
    fn blend(average: &[f32], source: &[f32], keep: f32, take: f32, output: &mut [f32]) {
        for ((average, source), output) in average.iter().zip(source).zip(output.iter_mut()) {
            *output = keep * average + take * source;
        }
    }
}

/// All numbers times a factor.
pub(crate) fn scaled(input: &[f32], factor: f64) -> Vec<f32> {
    let factor = factor as f32;
    let [result] = chunked(input.len(), |range, [output]| {
        output.iter_mut().zip(&input[range]).for_each(|(output, input)| *output = factor * input)
    });
    result
}

pub(crate) fn silu(input: &[f32]) -> Vec<f32> {
    let [result] = chunked(input.len(), |range, [output]| silu_chunk(&input[range], output));
    result
}

vectorised! {
    fn silu_chunk(input: &[f32], output: &mut [f32]) {
        for (input, output) in input.iter().zip(output.iter_mut()) {
            *output = silu_of(*input);
        }
    }
}

pub(crate) fn silu_gradient(input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let [result] =
        chunked(input.len(), |range, [output]| slope_chunk(&input[range.clone()], &gradient[range], output));
    result
}

vectorised! {
    fn slope_chunk(input: &[f32], gradient: &[f32], output: &mut [f32]) {
        for ((input, gradient), output) in input.iter().zip(gradient).zip(output.iter_mut()) {
            *output = gradient * silu_slope(*input);
        }
    }
}
