//! Sinusoids of the noise code: of fixed frequencies, in their published orders, and of given ones.

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::dual::{Dual, NoiseCode};
use super::graph::{Function, Graph, Value};
use crate::model::ParameterId;

/// Which half of a sinusoidal embedding comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// [cos ‖ sin]: OpenAI's U-Net, diffusers, EDM's ADM.
    #[default]
    CosSin,
    /// [sin ‖ cos]: EDM's DDPM++, DDPM.
    SinCos,
}

/// How the frequencies 10000^(-i/…) are spaced over the half = width/2 of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// 10000^(-i/half): the last frequency stays above 1/10000.
    #[default]
    WithoutEndpoint,
    /// 10000^(-i/(half-1)): the last frequency is 1/10000 (DDPM++, DDPM).
    WithEndpoint,
}

impl Spacing {
    /// Frequency number `i` of `half`.
    fn frequency(self, i: usize, half: usize) -> f64 {
        let steps = match self {
            Self::WithoutEndpoint => half,
            Self::WithEndpoint => half.saturating_sub(1).max(1),
        } as f64;
        (-(10_000f64.ln()) * i as f64 / steps).exp()
    }
}

/// The sinusoidal embedding of one number a sample, computed in f64 and rounded once to `dtype`.
///
/// # Shapes
///
/// Returns `[batch, width]`; an odd `width` ends in a zero.
///
/// # Source
///
/// Vaswani et al. 2017 (arXiv:1706.03762); the orders and spacings of the families are the second silent
/// trap of every import, hence the two arguments.
pub fn sinusoidal(
    code: &NoiseCode,
    width: usize,
    order: Order,
    spacing: Spacing,
    (device, dtype): (&Device, DType),
) -> Dual<2> {
    let half = width / 2;
    let frequency = |i: usize| spacing.frequency(i, half);
    let rows = |of: &dyn Fn(usize, usize) -> [f64; 2]| {
        let mut values = vec![0.0; code.values.len() * width];
        for (sample, row) in values.chunks_exact_mut(width.max(1)).enumerate() {
            for i in 0..half {
                let [sin, cos] = of(sample, i);
                let (first, second) = match order {
                    Order::CosSin => (cos, sin),
                    Order::SinCos => (sin, cos),
                };
                (row[i], row[half + i]) = (first, second);
            }
        }
        Tensor::from_data(TensorData::new(values, [code.values.len(), width]), (device, dtype))
    };
    let value = rows(&|sample, i| (code.values[sample] * frequency(i)).sin_cos().into());
    let tangent = code.tangents.as_ref().map(|tangents| {
        rows(&|sample, i| {
            let (sin, cos) = (code.values[sample] * frequency(i)).sin_cos();
            let speed = tangents[sample] * frequency(i);
            [speed * cos, -speed * sin]
        })
    });
    Dual::with(value, tangent)
}

/// Sinusoids of given frequencies, [sin ‖ cos] of 2π·frequency·code: the Fourier embedding of NCSN++.
///
/// # Shapes
///
/// - `frequencies`: `[half]`, stored with the weights
/// - returns: `[batch, 2 * half]`
///
/// # Source
///
/// Tancik et al. 2020 (arXiv:2006.10739), as in Song et al. 2021 (arXiv:2011.13456); computed in f32, as there,
/// where the weights are f32.
pub fn fourier(code: &NoiseCode, frequencies: Tensor<1>) -> Dual<2> {
    let (half, device, dtype) = (frequencies.dims()[0], frequencies.device().inner(), frequencies.dtype());
    let frequencies = (frequencies * std::f64::consts::TAU).reshape([1, half]);
    let angles = |values: &[f64]| {
        let column = TensorData::new(values.to_vec(), [values.len(), 1]);
        Tensor::<2>::from_data(column, (&device, dtype)) * frequencies.clone()
    };
    let angle = angles(&code.values);
    let (sin, cos) = (angle.clone().sin(), angle.cos());
    let tangent = code.tangents.as_ref().map(|tangents| {
        let speed = angles(tangents).inner();
        Tensor::cat(vec![speed.clone() * cos.clone().inner(), speed.neg() * sin.clone().inner()], 1)
    });
    Dual::with(Tensor::cat(vec![sin, cos], 1), tangent)
}

/// [`sinusoidal`] of a code times `scale`, as nodes of a graph.
pub fn describe_sinusoidal(
    graph: &mut Graph,
    code: Value,
    scale: f64,
    width: usize,
    order: Order,
    spacing: Spacing,
) -> Value {
    let half = width / 2;
    // Frequencies take the scale: one rounding less where the code is a thousand.
    let frequencies = graph.row((0..half).map(|i| scale * spacing.frequency(i, half)).collect());
    let angle = graph.multiply(code, frequencies);
    let halves = match order {
        Order::CosSin => [Function::Cosine, Function::Sine],
        Order::SinCos => [Function::Sine, Function::Cosine],
    };
    let mut parts = halves.map(|function| graph.apply(function, angle)).to_vec();
    if !width.is_multiple_of(2) {
        parts.push(graph.scaled(code, 0.0));
    }
    graph.join(parts)
}

/// [`fourier`] as nodes of a graph.
pub fn describe_fourier(graph: &mut Graph, code: Value, frequencies: ParameterId) -> Value {
    let turn = graph.scaled(code, std::f64::consts::TAU);
    let frequencies = graph.parameter(frequencies);
    let angle = graph.multiply(turn, frequencies);
    let halves = [Function::Sine, Function::Cosine].map(|function| graph.apply(function, angle));
    graph.join(halves.to_vec())
}
