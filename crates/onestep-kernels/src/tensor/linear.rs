//! The linear layer.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{KernelOps, Optional};
use crate::operators::Layouts;

/// Returns input · weight + bias.
///
/// A row's result does not depend on the other rows.
///
/// # Shapes
///
/// - `input`: `[batch, in]`
/// - `weight`: `[in, out]`
/// - `bias`: `[out]`
/// - result: `[batch, out]`
///
/// # Panics
///
/// If the shapes disagree.
pub fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    linear_with(input, weight, bias, None)
}

/// As [`linear`], with a place where layouts of this weight are kept between calls.
///
/// # Panics
///
/// If the shapes disagree.
pub fn linear_with(
    input: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    layouts: Option<Layouts>,
) -> Tensor<2> {
    let ([_, inputs], [weight_inputs, outputs]) = (input.dims(), weight.dims());
    assert!(
        inputs == weight_inputs && bias.as_ref().is_none_or(|bias| bias.dims() == [outputs]),
        "linear: input {:?}, weight {:?} and bias {:?} do not fit together",
        input.dims(),
        weight.dims(),
        bias.as_ref().map(Tensor::dims),
    );
    Tensor::from_dispatch(<Dispatch as KernelOps>::linear(
        input.into_dispatch(),
        weight.into_dispatch(),
        Optional::from_tensor(bias),
        layouts,
    ))
}
