//! The loops of group normalisation over the pixels of one image, vectorised over channels.

use super::elementwise::{silu, silu_slope, vectorised};

vectorised! {
    /// Per channel, the mean of some pixels and the sum of squares around it.
    pub(super) fn moments(input: &[f32], mean: &mut [f32], squares: &mut [f32]) {
        let channels = mean.len();
        mean.fill(0.0);
        squares.fill(0.0);
        for pixel in input.chunks_exact(channels) {
            for (sum, value) in mean.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        let share = channels as f32 / input.len() as f32;
        for sum in mean.iter_mut() {
            *sum *= share;
        }
        for pixel in input.chunks_exact(channels) {
            for ((sum, value), mean) in squares.iter_mut().zip(pixel).zip(mean.iter()) {
                *sum += (value - mean) * (value - mean);
            }
        }
    }
}

vectorised! {
    pub(super) fn apply_linear(input: &[f32], mean: &[f32], factor: &[f32], term: &[f32], output: &mut [f32]) {
        let n = mean.len();
        let (factor, term) = (&factor[..n], &term[..n]);
        for (input, output) in input.chunks_exact(n).zip(output.chunks_exact_mut(n)) {
            for c in 0..n {
                output[c] = (input[c] - mean[c]) * factor[c] + term[c];
            }
        }
    }
}

vectorised! {
    pub(super) fn apply_silu(input: &[f32], mean: &[f32], factor: &[f32], term: &[f32], output: &mut [f32]) {
        let n = mean.len();
        let (factor, term) = (&factor[..n], &term[..n]);
        for (input, output) in input.chunks_exact(n).zip(output.chunks_exact_mut(n)) {
            for c in 0..n {
                output[c] = silu((input[c] - mean[c]) * factor[c] + term[c]);
            }
        }
    }
}

vectorised! {
    /// Per channel, the sums of dz and of dz times the normalised input, where the activation is the identity.
    pub(super) fn sums_linear(input: &[f32], gradient: &[f32], affine: [&[f32]; 2], plain: &mut [f32], weighted: &mut [f32]) {
        let n = plain.len();
        let [mean, inverse] = affine.map(|values| &values[..n]);
        let weighted = &mut weighted[..n];
        plain.fill(0.0);
        weighted.fill(0.0);
        for (input, gradient) in input.chunks_exact(n).zip(gradient.chunks_exact(n)) {
            for c in 0..n {
                plain[c] += gradient[c];
                weighted[c] += gradient[c] * ((input[c] - mean[c]) * inverse[c]);
            }
        }
    }
}

vectorised! {
    /// The same with SiLU.
    pub(super) fn sums_silu(input: &[f32], gradient: &[f32], affine: [&[f32]; 4], plain: &mut [f32], weighted: &mut [f32]) {
        let n = plain.len();
        let [mean, inverse, factor, term] = affine.map(|values| &values[..n]);
        let weighted = &mut weighted[..n];
        plain.fill(0.0);
        weighted.fill(0.0);
        for (input, gradient) in input.chunks_exact(n).zip(gradient.chunks_exact(n)) {
            for c in 0..n {
                let centred = input[c] - mean[c];
                let dz = gradient[c] * silu_slope(centred * factor[c] + term[c]);
                plain[c] += dz;
                weighted[c] += dz * (centred * inverse[c]);
            }
        }
    }
}

vectorised! {
    pub(super) fn input_linear(input: &[f32], gradient: &[f32], affine: [&[f32]; 4], output: &mut [f32]) {
        let n = affine[0].len();
        let [mean, factor, constant, slope] = affine.map(|values| &values[..n]);
        let pixels = input.chunks_exact(n).zip(gradient.chunks_exact(n));
        for ((input, gradient), output) in pixels.zip(output.chunks_exact_mut(n)) {
            for c in 0..n {
                output[c] = gradient[c] * factor[c] - constant[c] - (input[c] - mean[c]) * slope[c];
            }
        }
    }
}

vectorised! {
    pub(super) fn input_silu(input: &[f32], gradient: &[f32], affine: [&[f32]; 5], output: &mut [f32]) {
        let n = affine[0].len();
        let [mean, factor, term, constant, slope] = affine.map(|values| &values[..n]);
        let pixels = input.chunks_exact(n).zip(gradient.chunks_exact(n));
        for ((input, gradient), output) in pixels.zip(output.chunks_exact_mut(n)) {
            for c in 0..n {
                let centred = input[c] - mean[c];
                let dz = gradient[c] * silu_slope(centred * factor[c] + term[c]);
                output[c] = dz * factor[c] - constant[c] - centred * slope[c];
            }
        }
    }
}
