//! Updates of flat parameters: one optimizer step and one step of a moving average.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{KernelOps, Optional};
use crate::operators::AdamCoefficients;

/// Takes one optimizer step and returns the new parameter, first moment and second moment.
///
/// The inputs are left as they are and no gradient flows through the step.
///
/// # Shapes
///
/// All `[numbers]`.
///
/// # Panics
///
/// If the lengths differ.
///
/// # Source
///
/// See [`AdamCoefficients`].
pub fn adam_update(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    first_moment: Tensor<1>,
    second_moment: Tensor<1>,
    coefficients: AdamCoefficients,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let shape = parameter.dims();
    assert!(
        gradient.dims() == shape && first_moment.dims() == shape && second_moment.dims() == shape,
        "adam_update: parameter {shape:?}, gradient {:?} and moments {:?}, {:?} differ in length",
        gradient.dims(),
        first_moment.dims(),
        second_moment.dims(),
    );
    let (parameter, first, second) = <Dispatch as KernelOps>::adam_update(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        first_moment.into_dispatch(),
        second_moment.into_dispatch(),
        coefficients,
    );
    (Tensor::from_dispatch(parameter), Tensor::from_dispatch(first), Tensor::from_dispatch(second))
}

/// A device that sums the squares of a gradient in parts takes so many numbers a part.
pub(super) const PART: usize = 1 << 14;

/// Sums whose total is the sum of the squares of all numbers of all gradients: what a device makes of them without being waited for.
///
/// # Shapes
///
/// `[numbers]` each, to one or several sums of each, one gradient after the other.
///
/// # Panics
///
/// If there is no gradient.
pub fn square_sums(gradients: &[Tensor<1>]) -> Tensor<1> {
    let parts = |gradient: &Tensor<1>| gradient.dims()[0].div_ceil(PART);
    let all = gradients.iter().map(parts).sum();
    let (mut sums, mut first) = (None, 0);
    for gradient in gradients {
        let own = gradient.clone().into_dispatch();
        sums = Some(<Dispatch as KernelOps>::square_sums(own, Optional::from(sums), [first, all]));
        first += parts(gradient);
    }
    Tensor::from_dispatch(sums.expect("square_sums: no gradient"))
}

/// Returns rate · average + (1 − rate) · source.
///
/// No gradient flows through it.
///
/// # Shapes
///
/// All `[numbers]`.
///
/// # Panics
///
/// If the lengths differ.
pub fn ema_update(average: Tensor<1>, source: Tensor<1>, rate: f64) -> Tensor<1> {
    assert!(
        average.dims() == source.dims(),
        "ema_update: average {:?} and source {:?} differ in length",
        average.dims(),
        source.dims()
    );
    Tensor::from_dispatch(<Dispatch as KernelOps>::ema_update(
        average.into_dispatch(),
        source.into_dispatch(),
        rate,
    ))
}
