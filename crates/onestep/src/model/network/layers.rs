//! Layers: each knows the names of its parameters and how to apply them; none holds a number.
//!
//! The work itself is done by `onestep-kernels`.

use burn::tensor::Tensor;
use onestep_kernels::{Activation, Conv2dOptions};

use crate::model::{Builder, Condition, Init, ParameterId, Weights};

/// A convolution with bias, channels last.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: ParameterId,
    bias: Option<ParameterId>,
    options: Conv2dOptions,
}

impl Conv2d {
    /// Registers `{name}.weight` `[kernel, kernel, n_in, n_out]` and `{name}.bias` `[n_out]`; zero padding
    /// keeps the size at stride 1 and halves it at stride 2.
    #[expect(clippy::too_many_arguments, reason = "the geometry of a convolution and its two initializations")]
    pub fn new(
        builder: &mut Builder,
        name: &str,
        n_in: usize,
        n_out: usize,
        kernel: usize,
        stride: usize,
        weight: Init,
        bias: Option<Init>,
    ) -> Self {
        Self {
            weight: builder.parameter(format!("{name}.weight"), &[kernel, kernel, n_in, n_out], weight),
            bias: bias.map(|init| builder.parameter(format!("{name}.bias"), &[n_out], init)),
            options: Conv2dOptions { stride, padding: [kernel / 2; 4] },
        }
    }

    /// `[batch, height, width, n_in]` to `[batch, height / stride, width / stride, n_out]`.
    pub fn forward(&self, weights: &Weights, input: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.map(|bias| weights.get(bias));
        onestep_kernels::conv2d(input, weights.get(self.weight), bias, self.options)
    }
}

/// A matrix product with optional bias.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: ParameterId,
    bias: Option<ParameterId>,
}

impl Linear {
    /// Registers `{name}.weight` `[n_in, n_out]` and, where an initialization is given, `{name}.bias` `[n_out]`.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        n_in: usize,
        n_out: usize,
        weight: Init,
        bias: Option<Init>,
    ) -> Self {
        Self {
            weight: builder.parameter(format!("{name}.weight"), &[n_in, n_out], weight),
            bias: bias.map(|init| builder.parameter(format!("{name}.bias"), &[n_out], init)),
        }
    }

    /// `[batch, n_in]` to `[batch, n_out]`.
    pub fn forward(&self, weights: &Weights, input: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.map(|bias| weights.get(bias));
        onestep_kernels::linear(input, weights.get(self.weight), bias)
    }
}

/// Group norm, optionally followed by scale and shift from the embedding, and SiLU.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    gain: ParameterId,
    offset: ParameterId,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// Registers `{name}.weight` and `{name}.bias`, both `[channels]`, starting at one and zero.
    pub fn new(builder: &mut Builder, name: &str, channels: usize, groups: usize, epsilon: f64) -> Self {
        Self {
            gain: builder.parameter(format!("{name}.weight"), &[channels], Init::Ones),
            offset: builder.parameter(format!("{name}.bias"), &[channels], Init::Zeros),
            groups,
            epsilon,
        }
    }

    /// Normalizes `[batch, height, width, channels]`; `scale_shift` are `[batch, channels]` each.
    pub fn forward(
        &self,
        weights: &Weights,
        input: Tensor<4>,
        scale_shift: Option<(Tensor<2>, Tensor<2>)>,
        activation: Activation,
    ) -> Tensor<4> {
        let (gain, offset) = (weights.get(self.gain), weights.get(self.offset));
        onestep_kernels::norm_act(input, self.groups, self.epsilon, gain, offset, scale_shift, activation)
    }
}

/// Dropout whose mask is a function of the condition's key, this layer's number and the sample.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    rate: f64,
    layer: u32,
}

impl Dropout {
    /// The `layer`-th dropout of a network; `rate` is the probability of a zero.
    pub fn new(rate: f64, layer: u32) -> Self {
        Self { rate, layer }
    }

    /// Applies the mask; without a key, or at rate 0, the input itself.
    pub fn forward(&self, input: Tensor<4>, condition: &Condition) -> Tensor<4> {
        match &condition.dropout {
            Some(key) if self.rate > 0.0 => {
                let mask = key.mask(self.layer, self.rate, input.dims(), &input.device().inner());
                input * mask
            }
            _ => input,
        }
    }
}
