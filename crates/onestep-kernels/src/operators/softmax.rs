//! The softmax of a row of scores, and its gradient.

use crate::loops::exp;
use crate::simd::vectorised;

const LANES: usize = 16;

vectorised! {
    /// Replaces scores by the softmax of `scale` times them.
    pub(super) fn softmax(row: &mut [f32], scale: f32) {
        let mut largest = [f32::NEG_INFINITY; LANES];
        let (groups, rest) = row.as_chunks::<LANES>();
        for values in groups {
            for (largest, value) in largest.iter_mut().zip(values) {
                *largest = if *value > *largest { *value } else { *largest };
            }
        }
        for (largest, value) in largest.iter_mut().zip(rest) {
            *largest = if *value > *largest { *value } else { *largest };
        }
        let mut maximum = largest[0];
        for value in largest {
            maximum = if value > maximum { value } else { maximum };
        }
        let mut sums = [0.0f32; LANES];
        let (groups, rest) = row.as_chunks_mut::<LANES>();
        for values in groups {
            for (sum, value) in sums.iter_mut().zip(values) {
                *value = exp((*value - maximum) * scale);
                *sum += *value;
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            *value = exp((*value - maximum) * scale);
            *sum += *value;
        }
        let factor = 1.0 / total(sums);
        for value in row.iter_mut() {
            *value *= factor;
        }
    }
}

vectorised! {
    /// Replaces the gradients of probabilities by those of the scores they came from.
    pub(super) fn softmax_gradient(probabilities: &[f32], gradients: &mut [f32], scale: f32) {
        let mut sums = [0.0f32; LANES];
        let (groups, rest) = probabilities.as_chunks::<LANES>();
        let (gradient_groups, gradient_rest) = gradients.as_chunks::<LANES>();
        for (probabilities, gradients) in groups.iter().zip(gradient_groups) {
            for ((sum, probability), gradient) in sums.iter_mut().zip(probabilities).zip(gradients) {
                *sum += probability * gradient;
            }
        }
        for ((sum, probability), gradient) in sums.iter_mut().zip(rest).zip(gradient_rest) {
            *sum += probability * gradient;
        }
        let mean = total(sums);
        for (gradient, probability) in gradients.iter_mut().zip(probabilities) {
            *gradient = probability * (*gradient - mean) * scale;
        }
    }
}

/// The sum of the sums of all lanes, in their order.
#[inline(always)]
fn total(sums: [f32; LANES]) -> f32 {
    let mut total = 0.0;
    for sum in sums {
        total += sum;
    }
    total
}
