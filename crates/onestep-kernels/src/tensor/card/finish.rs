//! What follows the products of a convolution: bias, residual and factor in one kernel.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::launch::{cubes, element, in_order, unwritten};
use crate::tensor::storage::dims;

/// (output + bias + residual) · factor, in a type; bias `[1, channels]` or `[batch, channels]` in f32.
pub(super) fn forward(
    output: &CubeTensor,
    bias: Option<&CubeTensor>,
    residual: Option<&CubeTensor>,
    factor: f64,
    stored: DType,
) -> CubeTensor {
    let output = in_order(output);
    let [batch, height, width, channels] = dims(&output);
    let result = unwritten(&output, output.shape(), stored);
    let per_sample = bias.is_some_and(|bias| batch > 1 && bias.shape()[0] == batch);
    let (count, units) = cubes(&output, batch * height * width * channels);
    let dtypes = [element(&output), residual.map_or(element(&output), element), element(&result)];
    let stand_in = |given: Option<&CubeTensor>| given.map_or_else(|| output.clone(), in_order);
    // In place of a bias that there is not stands a number that is not read.
    let no_bias = || unwritten(&output, [1], DType::F32);
    finish_products::launch(
        &output.client,
        count,
        units,
        output.clone().into_tensor_arg(),
        bias.map_or_else(no_bias, in_order).into_tensor_arg(),
        stand_in(residual).into_tensor_arg(),
        result.clone().into_tensor_arg(),
        (height * width * channels) as u32,
        channels as u32,
        factor as f32,
        bias.is_some(),
        per_sample,
        residual.is_some(),
        dtypes,
    );
    result
}

/// A unit finishes one number.
#[cube(launch)]
fn finish_products<F: Float, R: Float, G: Float>(
    output: &Tensor<F>,
    bias: &Tensor<f32>,
    residual: &Tensor<R>,
    result: &mut Tensor<G>,
    per_image: u32,
    channels: u32,
    factor: f32,
    #[comptime] has_bias: bool,
    #[comptime] per_sample: bool,
    #[comptime] has_residual: bool,
    #[define(F, R, G)] _elements: [ElemType; 3],
) {
    if ABSOLUTE_POS < result.len() {
        let at = ABSOLUTE_POS as u32;
        let mut value = f32::cast_from(output[ABSOLUTE_POS]);
        if has_bias {
            let row = if per_sample { at / per_image * channels } else { 0u32.into() };
            value += bias[(row + at % channels) as usize];
        }
        if has_residual {
            value += f32::cast_from(residual[ABSOLUTE_POS]);
        }
        result[ABSOLUTE_POS] = G::cast_from(value * factor);
    }
}
