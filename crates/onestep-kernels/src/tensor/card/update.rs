//! Updates of flat parameters, and the sums of squares of their gradients: one kernel each.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::update::PART;
use super::launch::{UNITS, cube_sum, cubes, in_order, unwritten};
use crate::operators::AdamCoefficients;

/// One step: the new parameter, first moment and second moment.
pub(super) fn adam(tensors: [&CubeTensor; 4], coefficients: AdamCoefficients) -> [CubeTensor; 3] {
    let [parameter, gradient, first, second] = tensors.map(in_order);
    let results = [(); 3].map(|()| unwritten(&parameter, parameter.shape(), DType::F32));
    let AdamCoefficients { beta1, beta2, coupled_decay, decoupled_decay, step_size, root } = coefficients;
    let (scale, epsilon) = root.map_or((0.0, 0.0), |root| (root.scale, root.epsilon));
    let (count, units) = cubes(&parameter, parameter.shape().num_elements());
    let [new, new_first, new_second] = results.each_ref().map(|result| result.clone().into_tensor_arg());
    adam_step::launch(
        &gradient.client.clone(),
        count,
        units,
        parameter.into_tensor_arg(),
        gradient.into_tensor_arg(),
        first.into_tensor_arg(),
        second.into_tensor_arg(),
        new,
        new_first,
        new_second,
        beta1 as f32,
        (1.0 - beta1) as f32,
        beta2 as f32,
        (1.0 - beta2) as f32,
        coupled_decay as f32,
        (1.0 - decoupled_decay) as f32,
        step_size as f32,
        scale as f32,
        epsilon as f32,
        root.is_some(),
    );
    results
}

/// rate · average + (1 - rate) · source
pub(super) fn ema(average: &CubeTensor, source: &CubeTensor, rate: f64) -> CubeTensor {
    let [average, source] = [average, source].map(in_order);
    let result = unwritten(&average, average.shape(), DType::F32);
    let (count, units) = cubes(&average, average.shape().num_elements());
    blend::launch(
        &result.client,
        count,
        units,
        average.into_tensor_arg(),
        source.into_tensor_arg(),
        result.clone().into_tensor_arg(),
        rate as f32,
        (1.0 - rate) as f32,
    );
    result
}

/// Writes the sums of the squares of a gradient's parts into their places among those of all gradients.
pub(super) fn square_sums(
    gradient: &CubeTensor,
    sums: Option<CubeTensor>,
    [first, all]: [usize; 2],
) -> CubeTensor {
    let gradient = in_order(gradient);
    let sums = sums.unwrap_or_else(|| unwritten(&gradient, [all], DType::F32));
    let parts = gradient.shape().num_elements().div_ceil(PART);
    if parts == 0 {
        return sums;
    }
    sum_squares::launch(
        &sums.client,
        CubeCount::new_1d(parts as u32),
        CubeDim::new_1d(UNITS),
        gradient.into_tensor_arg(),
        sums.clone().into_tensor_arg(),
        first as u32,
    );
    sums
}

/// A unit updates one number.
#[cube(launch)]
fn adam_step(
    parameter: &Tensor<f32>,
    gradient: &Tensor<f32>,
    first: &Tensor<f32>,
    second: &Tensor<f32>,
    new: &mut Tensor<f32>,
    new_first: &mut Tensor<f32>,
    new_second: &mut Tensor<f32>,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    coupled_decay: f32,
    kept: f32,
    step_size: f32,
    scale: f32,
    epsilon: f32,
    #[comptime] has_root: bool,
) {
    let at = ABSOLUTE_POS;
    if at < new.len() {
        let p = parameter[at];
        let g = gradient[at] + coupled_decay * p;
        let m = beta1 * first[at] + rest1 * g;
        let v = beta2 * second[at] + rest2 * (g * g);
        let direction = if has_root { m / (v.sqrt() * scale + epsilon) } else { m };
        new[at] = p * kept - step_size * direction;
        new_first[at] = m;
        new_second[at] = v;
    }
}

/// A unit blends one number.
#[cube(launch)]
fn blend(old: &Tensor<f32>, new: &Tensor<f32>, result: &mut Tensor<f32>, rate: f32, rest: f32) {
    let at = ABSOLUTE_POS;
    if at < result.len() {
        result[at] = rate * old[at] + rest * new[at];
    }
}

/// A cube sums one part.
#[cube(launch)]
fn sum_squares(gradient: &Tensor<f32>, sums: &mut Tensor<f32>, first: u32) {
    let mut shared = Shared::new_slice(comptime!(UNITS as usize));
    let mut sum = 0.0f32;
    let end = (CUBE_POS_X as usize + 1) * comptime!(PART);
    let mut at = CUBE_POS_X as usize * comptime!(PART) + UNIT_POS as usize;
    while at < end && at < gradient.len() {
        sum += gradient[at] * gradient[at];
        at += CUBE_DIM as usize;
    }
    let total = cube_sum(sum, &mut shared);
    if UNIT_POS == 0 {
        sums[(first + CUBE_POS_X) as usize] = total;
    }
}
