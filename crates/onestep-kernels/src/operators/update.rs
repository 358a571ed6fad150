//! Updates of flat parameters: one step of an optimizer and one of a moving average, in one pass over memory each.

#![allow(unsafe_code, reason = "tasks write disjoint chunks of the outputs")]

use crate::blocking::filled_chunks;
use crate::simd::vectorised;

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

/// One step of an optimizer: the new parameter, first moment and second moment.
pub(crate) fn adam(
    [parameter, gradient, first, second]: [&[f32]; 4],
    coefficients: AdamCoefficients,
) -> [Vec<f32>; 3] {
    let length = parameter.len();
    let root = coefficients.root;
    let numbers = [
        coefficients.beta1,
        1.0 - coefficients.beta1,
        coefficients.beta2,
        1.0 - coefficients.beta2,
        coefficients.coupled_decay,
        1.0 - coefficients.decoupled_decay,
        coefficients.step_size,
        root.map_or(0.0, |root| root.scale),
        // Without a root the denominator is 0 · √v + 1.
        root.map_or(1.0, |root| root.epsilon),
    ]
    .map(|number| number as f32);
    // SAFETY: the body begins with copies of all its chunks.
    unsafe {
        filled_chunks(length, |range, [parameter_out, first_out, second_out]| {
            first_out.copy_from_slice(&first[range.clone()]);
            second_out.copy_from_slice(&second[range.clone()]);
            parameter_out.copy_from_slice(&parameter[range.clone()]);
            adam_chunk(&gradient[range], numbers, parameter_out, first_out, second_out);
        })
    }
}

vectorised! {
    fn adam_chunk(gradient: &[f32], numbers: [f32; 9], parameter: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let [beta1, rest1, beta2, rest2, coupled, keep, step, scale, epsilon] = numbers;
        let states = parameter.iter_mut().zip(first.iter_mut().zip(second.iter_mut()));
        for ((parameter, (first, second)), gradient) in states.zip(gradient) {
            let gradient = gradient + coupled * *parameter;
            *first = beta1 * *first + rest1 * gradient;
            *second = beta2 * *second + rest2 * (gradient * gradient);
            *parameter = keep * *parameter - step * (*first / (second.sqrt() * scale + epsilon));
        }
    }
}

/// rate · average + (1 − rate) · source
pub(crate) fn ema(average: &[f32], source: &[f32], rate: f64) -> Vec<f32> {
    let (keep, take) = (rate as f32, (1.0 - rate) as f32);
    assert_eq!(average.len(), source.len());
    // SAFETY: both slices have the length of the chunk, and the loop writes as many numbers.
    let [result] = unsafe {
        filled_chunks(average.len(), |range, [output]| {
            blend(&average[range.clone()], &source[range], keep, take, output)
        })
    };
    result
}

vectorised! {
    fn blend(average: &[f32], source: &[f32], keep: f32, take: f32, output: &mut [f32]) {
        for ((average, source), output) in average.iter().zip(source).zip(output.iter_mut()) {
            *output = keep * average + take * source;
        }
    }
}
