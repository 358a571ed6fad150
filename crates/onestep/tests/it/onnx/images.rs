//! Operations on images `[batch, channels, height, width]`, loop by loop.

use super::tensor::Tensor;

fn sizes(tensor: &Tensor) -> [usize; 4] {
    tensor.dims.as_slice().try_into().expect("an image")
}

/// The correlation with `[n_out, n_in / group, height, width]`, at strides and with zeros around.
pub fn convolution(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    group: usize,
    stride: usize,
    padding: usize,
) -> Tensor {
    let ([batch, channels, height, width], [n_out, n_in, rows, columns]) = (sizes(x), sizes(weight));
    assert_eq!(channels, n_in * group);
    let side = |side: usize, taps: usize| (side + 2 * padding - taps) / stride + 1;
    let mut out = vec![0.0; batch * n_out * side(height, rows) * side(width, columns)];
    let dims = [batch, n_out, side(height, rows), side(width, columns)];
    for (index, sum) in out.iter_mut().enumerate() {
        let column = index % dims[3];
        let row = index / dims[3] % dims[2];
        let output = index / (dims[3] * dims[2]) % n_out;
        let sample = index / (dims[3] * dims[2] * n_out);
        *sum = bias.map_or(0.0, |bias| bias.values[output]);
        for input in 0..n_in {
            let plane = (sample * channels + output / (n_out / group) * n_in + input) * height * width;
            let taps = (output * n_in + input) * rows * columns;
            for tap_row in 0..rows {
                let Some(y) = (row * stride + tap_row).checked_sub(padding).filter(|&y| y < height) else {
                    continue;
                };
                for tap_column in 0..columns {
                    let x_at = (column * stride + tap_column).checked_sub(padding);
                    let Some(x_at) = x_at.filter(|&x_at| x_at < width) else { continue };
                    *sum += x.values[plane + y * width + x_at]
                        * weight.values[taps + tap_row * columns + tap_column];
                }
            }
        }
    }
    Tensor::new(dims.to_vec(), out)
}

/// Every channel by itself, each pixel spread with its filter `[channels, 1, taps, taps]`.
pub fn transposed_convolution(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Tensor {
    let ([batch, channels, height, width], [filters, one, rows, columns]) = (sizes(x), sizes(weight));
    assert_eq!((channels, one), (filters, 1));
    let side = |side: usize, taps: usize| (side - 1) * stride + taps - 2 * padding;
    let dims = [batch, channels, side(height, rows), side(width, columns)];
    let mut out = Tensor::new(dims.to_vec(), vec![0.0; dims.iter().product()]);
    for plane in 0..batch * channels {
        for (y, x_at) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let value = x.values[(plane * height + y) * width + x_at];
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let to = [y * stride + row, x_at * stride + column].map(|at| at.checked_sub(padding));
                if let [Some(y), Some(x)] = to
                    && y < dims[2]
                    && x < dims[3]
                {
                    let tap = weight.values[(plane % channels * rows + row) * columns + column];
                    out.values[(plane * dims[2] + y) * dims[3] + x] += value * tap;
                }
            }
        }
    }
    out
}

/// Every pixel twice along both axes.
pub fn doubled(x: &Tensor) -> Tensor {
    let [batch, channels, height, width] = sizes(x);
    Tensor::from_fn(&[batch, channels, 2 * height, 2 * width], |at| {
        x.at(&[at[0], at[1], at[2] / 2, at[3] / 2])
    })
}

/// The mean of each two by two pixels.
pub fn halved(x: &Tensor) -> Tensor {
    let [batch, channels, height, width] = sizes(x);
    Tensor::from_fn(&[batch, channels, height / 2, width / 2], |at| {
        let pixels = [[0, 0], [0, 1], [1, 0], [1, 1]];
        let values = pixels.map(|[row, column]| x.at(&[at[0], at[1], 2 * at[2] + row, 2 * at[3] + column]));
        values.iter().sum::<f64>() / 4.0
    })
}

/// Each channel of `[batch, channels, …]` less its mean by its deviation, times a scale, plus an offset.
pub fn instance_norm(x: &Tensor, scale: &Tensor, offset: &Tensor, epsilon: f64) -> Tensor {
    let channels = x.dims[1];
    let n: usize = x.dims[2..].iter().product();
    let mut out = x.clone();
    for (plane, values) in out.values.chunks_exact_mut(n).enumerate() {
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
        let (scale, offset) = (scale.values[plane % channels], offset.values[plane % channels]);
        values
            .iter_mut()
            .for_each(|value| *value = (*value - mean) / (variance + epsilon).sqrt() * scale + offset);
    }
    out
}
