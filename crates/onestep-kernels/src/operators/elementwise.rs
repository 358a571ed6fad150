//! Maps of numbers one by one, in one pass over memory each.

#![allow(unsafe_code, reason = "tasks write disjoint chunks of the outputs")]

use crate::blocking::filled_chunks;
use crate::loops;
use crate::simd::vectorised;

/// All numbers times a factor.
pub(crate) fn scaled(input: &[f32], factor: f64) -> Vec<f32> {
    let factor = factor as f32;
    // SAFETY: the input has as many numbers in a range as the chunk, which are all written.
    let [result] = unsafe {
        filled_chunks(input.len(), |range, [output]| {
            output.iter_mut().zip(&input[range]).for_each(|(output, input)| *output = factor * input)
        })
    };
    result
}

/// x · sigmoid(x) of all numbers.
pub(crate) fn silu(input: &[f32]) -> Vec<f32> {
    // SAFETY: the input has as many numbers in a range as the chunk, and the loop writes all of them.
    let [result] = unsafe { filled_chunks(input.len(), |range, [output]| silu_chunk(&input[range], output)) };
    result
}

vectorised! {
    fn silu_chunk(input: &[f32], output: &mut [f32]) {
        for (input, output) in input.iter().zip(output.iter_mut()) {
            *output = loops::silu(*input);
        }
    }
}

/// The gradient of [`silu`].
pub(crate) fn silu_gradient(input: &[f32], gradient: &[f32]) -> Vec<f32> {
    assert_eq!(input.len(), gradient.len());
    // SAFETY: both slices have the length of the chunk, and the loop writes as many numbers.
    let [result] = unsafe {
        filled_chunks(input.len(), |range, [output]| {
            slope_chunk(&input[range.clone()], &gradient[range], output)
        })
    };
    result
}

vectorised! {
    fn slope_chunk(input: &[f32], gradient: &[f32], output: &mut [f32]) {
        for ((input, gradient), output) in input.iter().zip(gradient).zip(output.iter_mut()) {
            *output = gradient * loops::silu_slope(*input);
        }
    }
}
