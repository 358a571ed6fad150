//! Updates of flat parameters.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use crate::operators::AdamCoefficients;

pub(crate) fn adam_update<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first_moment: FloatTensor<B>,
    second_moment: FloatTensor<B>,
    coefficients: AdamCoefficients,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let AdamCoefficients { beta1, beta2, coupled_decay, decoupled_decay, step_size, root } = coefficients;
    let parameter = B::float_detach(parameter);
    let mut gradient = B::float_detach(gradient);
    if coupled_decay != 0.0 {
        gradient = B::float_add(gradient, B::float_mul_scalar(parameter.clone(), coupled_decay.into()));
    }
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let first = blend::<B>(B::float_detach(first_moment), gradient, beta1);
    let second = blend::<B>(B::float_detach(second_moment), square, beta2);
    let direction = match root {
        Some(root) => {
            let scaled = B::float_mul_scalar(B::float_sqrt(second.clone()), root.scale.into());
            B::float_div(first.clone(), B::float_add_scalar(scaled, root.epsilon.into()))
        }
        None => first.clone(),
    };
    let parameter = match decoupled_decay {
        0.0 => parameter,
        decay => B::float_mul_scalar(parameter, (1.0 - decay).into()),
    };
    (B::float_sub(parameter, B::float_mul_scalar(direction, step_size.into())), first, second)
}

pub(crate) fn ema_update<B: Backend>(
    average: FloatTensor<B>,
    source: FloatTensor<B>,
    rate: f64,
) -> FloatTensor<B> {
    blend::<B>(B::float_detach(average), B::float_detach(source), rate)
}

/// The sums with that of one more gradient's squares.
pub(crate) fn square_sums<B: Backend>(
    gradient: FloatTensor<B>,
    sums: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let gradient = B::float_detach(gradient);
    let own = B::float_sum(B::float_mul(gradient.clone(), gradient));
    match sums {
        Some(sums) => B::float_cat(vec![sums, own], 0),
        None => own,
    }
}

/// rate · old + (1 − rate) · new
fn blend<B: Backend>(old: FloatTensor<B>, new: FloatTensor<B>, rate: f64) -> FloatTensor<B> {
    let old = B::float_mul_scalar(old, rate.into());
    B::float_add(old, B::float_mul_scalar(new, (1.0 - rate).into()))
}
