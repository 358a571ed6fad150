//! The linear layer and its gradients.

use super::dense::{Matrix, dense};
use super::dense_gradient;
use super::images::Images;
use super::layouts::Layouts;
use super::norm::Source;
use crate::blocking::{Epilogue, Panels, column_sums};
use crate::loops::Kernels;
use crate::simd::Precision;

/// Rows, inputs and outputs of a linear layer.
pub(crate) type LinearSizes = [usize; 3];

/// input · weight + bias
pub(crate) fn forward(
    kernels: &Kernels,
    [rows, inputs, outputs]: LinearSizes,
    input: &[f32],
    weight: &[f32],
    layouts: Option<&Layouts>,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    // For many rows, making the panels anew is little of the work.
    let (kept, passing) = (layouts.filter(|_| rows <= 256), Layouts::default());
    let panels = kept.unwrap_or(&passing).panels(|| Panels::from_rows(kernels, weight, inputs, outputs));
    let source = Source::plain(Images::rows(input, [rows, inputs]));
    dense(kernels, &source, Matrix::Full(panels), &Epilogue::bias(bias))
}

/// The gradient of the input, `[rows, inputs]`.
pub(crate) fn input_gradient(
    kernels: &Kernels,
    [rows, inputs, outputs]: LinearSizes,
    weight: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let panels = Panels::from_columns(kernels, weight, 1, outputs, inputs);
    let source = Source::plain(Images::rows(gradient, [rows, outputs]));
    dense(kernels, &source, Matrix::Full(&panels), &Epilogue::NONE)
}

/// The gradient of the weight, `[inputs, outputs]`.
pub(crate) fn weight_gradient(
    kernels: &Kernels,
    [rows, inputs, outputs]: LinearSizes,
    input: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let source = Source::plain(Images::rows(input, [rows, inputs]));
    dense_gradient::weight_gradient(kernels, &source, gradient, outputs, Precision::F32)
}

/// The gradient of the bias, `[outputs]`.
pub(crate) fn bias_gradient(outputs: usize, gradient: &[f32]) -> Vec<f32> {
    column_sums(gradient, outputs, gradient.len() / outputs.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::{assert_close, numbers};
    use crate::simd::Level;

    #[test]
    fn equals_the_formula_at_every_instruction_set() {
        for sizes in [[1, 1, 1], [5, 3, 40], [33, 64, 17], [200, 7, 96], [0, 4, 4]] {
            let [rows, inputs, outputs] = sizes;
            let [x, w, g] =
                [rows * inputs, inputs * outputs, rows * outputs].map(|count| numbers(count, count as u64));
            let bias = numbers(outputs, 3);
            let mut y: Vec<f64> = (0..g.len()).map(|index| bias[index % outputs].into()).collect();
            let (mut dx, mut dw) = (vec![0.0f64; x.len()], vec![0.0f64; w.len()]);
            for row in 0..rows {
                for i in 0..inputs {
                    for o in 0..outputs {
                        let (x_at, w_at, y_at) = (row * inputs + i, i * outputs + o, row * outputs + o);
                        y[y_at] += f64::from(x[x_at]) * f64::from(w[w_at]);
                        dx[x_at] += f64::from(g[y_at]) * f64::from(w[w_at]);
                        dw[w_at] += f64::from(g[y_at]) * f64::from(x[x_at]);
                    }
                }
            }
            for level in Level::available() {
                let kernels = Kernels::of(level);
                let what = format!("{sizes:?} at {level:?}");
                // 3e-6: f32 chains of up to 200 terms.
                assert_close(&forward(&kernels, sizes, &x, &w, None, Some(&bias)), &y, 3e-6, &what);
                assert_close(&input_gradient(&kernels, sizes, &w, &g), &dx, 3e-6, &what);
                assert_close(&weight_gradient(&kernels, sizes, &x, &g), &dw, 3e-6, &what);
            }
        }
    }
}
