//! Updates of flat parameters: one optimizer step and one step of a moving average.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::KernelOps;

/// The numbers of one step of Adam or a relative of it.
///
/// With g the gradient plus `coupled_decay` · p, the step is
///
/// m ← beta1 · m + (1 − beta1) · g,  v ← beta2 · v + (1 − beta2) · g²,
/// p ← p · (1 − decoupled_decay) − step_size · m / d,
///
/// where d is √v · root.scale + root.epsilon, or 1 without a root (RAdam before its variance is trusted).
/// Bias corrections and learning rate are folded into `step_size` and `root`; [`AdamCoefficients::adam`] and
/// [`AdamCoefficients::radam`] do it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamCoefficients {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Multiple of the parameter that is added to the gradient (L2 regularisation).
    pub coupled_decay: f64,
    /// Fraction of the parameter that is subtracted (the learning rate times AdamW's weight decay).
    pub decoupled_decay: f64,
    /// Factor of the whole step.
    pub step_size: f64,
    /// The denominator, if the step has one.
    pub root: Option<RootDenominator>,
}

/// The denominator √v · scale + epsilon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RootDenominator {
    /// Factor of √v.
    pub scale: f64,
    /// Added after scaling.
    pub epsilon: f64,
}

impl AdamCoefficients {
    /// The coefficients of Adam's step number `step`, counted from 1, without weight decay.
    ///
    /// # Source
    ///
    /// Kingma & Ba 2014 (arXiv:1412.6980), Algorithm 1; `torch.optim.Adam`, where epsilon is added after the bias correction.
    pub fn adam(learning_rate: f64, [beta1, beta2]: [f64; 2], epsilon: f64, step: u64) -> Self {
        Self {
            beta1,
            beta2,
            coupled_decay: 0.0,
            decoupled_decay: 0.0,
            step_size: learning_rate / (1.0 - beta1.powf(step as f64)),
            root: Some(RootDenominator { scale: (1.0 - beta2.powf(step as f64)).powf(-0.5), epsilon }),
        }
    }

    /// The coefficients of RAdam's step number `step`, counted from 1, without weight decay.
    ///
    /// # Source
    ///
    /// Liu et al. 2019 (arXiv:1908.03265), Algorithm 2; `torch.optim.RAdam`, where epsilon is added to √v before the bias
    /// correction and the variance is trusted from ρ > 5 on (the paper: 4).
    pub fn radam(learning_rate: f64, [beta1, beta2]: [f64; 2], epsilon: f64, step: u64) -> Self {
        let power = beta2.powf(step as f64);
        let correction = 1.0 - power;
        let rho_limit = 2.0 / (1.0 - beta2) - 1.0;
        let rho = rho_limit - 2.0 * step as f64 * power / correction;
        let plain = learning_rate / (1.0 - beta1.powf(step as f64));
        let (step_size, root) = if rho > 5.0 {
            let rectification = ((rho - 4.0) * (rho - 2.0) * rho_limit
                / ((rho_limit - 4.0) * (rho_limit - 2.0) * rho))
                .sqrt();
            (plain * rectification * correction.sqrt(), Some(RootDenominator { scale: 1.0, epsilon }))
        } else {
            (plain, None)
        };
        Self { beta1, beta2, coupled_decay: 0.0, decoupled_decay: 0.0, step_size, root }
    }

    /// The same step with `decay` times the parameter added to the gradient, as Adam and RAdam do.
    pub fn with_coupled_decay(self, decay: f64) -> Self {
        Self { coupled_decay: decay, ..self }
    }

    /// The same step with the parameter shrunk by the fraction `decay` first: AdamW's learning rate times weight decay.
    pub fn with_decoupled_decay(self, decay: f64) -> Self {
        Self { decoupled_decay: decay, ..self }
    }
}

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
