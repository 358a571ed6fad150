//! Layers of one or two operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorData, TensorMetadata};

use super::dtype::{in_full, to_dtype};
use crate::operators::{DropoutMask, LinearMap};

pub(crate) fn linear<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let outputs = weight.shape()[1];
    let output = B::float_matmul(input, weight);
    match bias {
        Some(bias) => B::float_add(output, B::float_reshape(bias, Shape::from([1, outputs]))),
        None => output,
    }
}

pub(crate) fn silu<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(B::sigmoid(input.clone()), input)
}

pub(crate) fn dropout<B: Backend>(input: FloatTensor<B>, mask: &DropoutMask) -> FloatTensor<B> {
    let (shape, dtype, device) = (input.shape(), input.dtype(), input.device());
    // Half precision would round the factor of what is kept, to the same side in every layer.
    let input = in_full::<B>(input);
    let factors = mask.factors(shape.num_elements() / mask.batch().max(1));
    let factors = TensorData::new(factors, shape).convert_dtype(input.dtype());
    to_dtype::<B>(B::float_mul(input, B::float_from_data(factors, &device)), dtype)
}

pub(crate) fn concat<B: Backend>(parts: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    B::float_cat(parts, 3)
}

pub(crate) fn resample<B: Backend>(
    input: FloatTensor<B>,
    rows: &LinearMap,
    columns: &LinearMap,
) -> FloatTensor<B> {
    let (shape, dtype, device) = (input.shape(), input.dtype(), input.device());
    let [batch, height, width, channels] = [0, 1, 2, 3].map(|axis| shape[axis]);
    let matrix = |map: &LinearMap| {
        let mut dense = vec![0.0; map.outputs() * map.inputs];
        for (row, taps) in dense.chunks_exact_mut(map.inputs).zip(&map.taps) {
            taps.iter().for_each(|&(position, weight)| row[position] += weight);
        }
        let data = TensorData::new(dense, [map.outputs(), map.inputs]).convert_dtype(dtype);
        B::float_from_data(data, &device)
    };
    let (out_height, out_width) = (rows.outputs(), columns.outputs());

    let input = B::float_permute(input, &[1, 0, 2, 3]);
    let input = B::float_reshape(input, Shape::from([height, batch * width * channels]));
    let input = B::float_matmul(matrix(rows), input);
    let input = B::float_reshape(input, Shape::from([out_height, batch, width, channels]));
    let input = B::float_permute(input, &[2, 1, 0, 3]); // [width, batch, height, channels]
    let input = B::float_reshape(input, Shape::from([width, batch * out_height * channels]));
    let input = B::float_matmul(matrix(columns), input);
    let input = B::float_reshape(input, Shape::from([out_width, batch, out_height, channels]));
    B::float_permute(input, &[1, 2, 0, 3])
}
