//! Layers: each knows the names of its parameters and how to apply them; none holds a number.
//!
//! The work itself is done by `onestep-kernels`.

use burn::tensor::Tensor;
use onestep_kernels::{Activation, Conv2dOptions, Convolution, Norm, NormActOptions};

use crate::model::{Builder, Condition, Init, ModelError, ParameterId, Weights};

/// How the weight and the bias of a layer start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// PyTorch's default, weight and bias uniform with bound 1/√fan_in; also EDM's `kaiming_uniform` with gain √(1/3).
    FanIn,
    /// Weight and bias zero: a layer that adds nothing at first.
    Zeros,
    /// Xavier's uniform weight times `gain`, zero bias.
    Xavier {
        /// Factor of the bound.
        gain: f64,
    },
    /// Unit normal weight, zero bias.
    Normal,
}

impl Start {
    fn weight(self, fan_in: usize, fan_out: usize) -> Init {
        match self {
            Self::FanIn => Init::fan_in(fan_in),
            Self::Zeros => Init::Zeros,
            Self::Xavier { gain } => Init::xavier_uniform(fan_in, fan_out, gain),
            Self::Normal => Init::Normal { std: 1.0 },
        }
    }

    fn bias(self, fan_in: usize) -> Init {
        match self {
            Self::FanIn => Init::fan_in(fan_in),
            Self::Zeros | Self::Xavier { .. } | Self::Normal => Init::Zeros,
        }
    }
}

/// A convolution with bias, channels last.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: ParameterId,
    bias: ParameterId,
    options: Conv2dOptions,
}

impl Conv2d {
    /// Registers `{name}.weight` `[kernel, kernel, n_in, n_out]` and `{name}.bias` `[n_out]`; stride 1, zero
    /// padding that keeps the size.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        [n_in, n_out]: [usize; 2],
        kernel: usize,
        start: Start,
    ) -> Self {
        let area = kernel * kernel;
        let init = start.weight(n_in * area, n_out * area);
        let weight = builder.parameter(format!("{name}.weight"), &[kernel, kernel, n_in, n_out], init);
        builder.keeps(n_in);
        Self {
            weight,
            bias: builder.parameter(format!("{name}.bias"), &[n_out], start.bias(n_in * area)),
            options: Conv2dOptions { stride: 1, padding: [kernel / 2; 4] },
        }
    }

    /// The same convolution at every second pixel.
    pub fn at_half_resolution(mut self) -> Self {
        self.options.stride = 2;
        self
    }

    /// `[batch, height, width, n_in]` to `[batch, height / stride, width / stride, n_out]`.
    pub fn forward(&self, weights: &Weights, input: Tensor<4>) -> Tensor<4> {
        self.convolution(weights, input).forward()
    }

    /// The convolution to be computed, for callers that add what stands before and after it.
    pub(super) fn convolution(&self, weights: &Weights, input: Tensor<4>) -> Convolution {
        Convolution {
            bias: Some(weights.get::<1>(self.bias).unsqueeze_dim(0)),
            precision: weights.precision(),
            layouts: weights.layouts(self.weight),
            ..Convolution::new(input, weights.get(self.weight), self.options)
        }
    }

    pub(super) fn weight(&self, weights: &Weights) -> Tensor<4> {
        weights.get(self.weight)
    }

    pub(super) fn bias(&self, weights: &Weights) -> Tensor<1> {
        weights.get(self.bias)
    }
}

/// A matrix product with optional bias.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: ParameterId,
    bias: Option<ParameterId>,
}

impl Linear {
    /// Registers `{name}.weight` `[n_in, n_out]` and `{name}.bias` `[n_out]`.
    pub fn new(builder: &mut Builder, name: &str, [n_in, n_out]: [usize; 2], start: Start) -> Self {
        let mut linear = Self::without_bias(builder, name, [n_in, n_out], start);
        linear.bias = Some(builder.parameter(format!("{name}.bias"), &[n_out], start.bias(n_in)));
        linear
    }

    /// Registers `{name}.weight` `[n_in, n_out]` alone.
    pub fn without_bias(builder: &mut Builder, name: &str, [n_in, n_out]: [usize; 2], start: Start) -> Self {
        let init = start.weight(n_in, n_out);
        Self { weight: builder.parameter(format!("{name}.weight"), &[n_in, n_out], init), bias: None }
    }

    /// `[batch, n_in]` to `[batch, n_out]`.
    pub fn forward(&self, weights: &Weights, input: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.map(|bias| weights.get(bias));
        onestep_kernels::linear_with(input, weights.get(self.weight), bias, weights.layouts(self.weight))
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
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if `groups` does not divide `channels`.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        channels: usize,
        groups: usize,
        epsilon: f64,
    ) -> Result<Self, ModelError> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(ModelError::BadArchitecture {
                reason: format!(
                    "`{name}` normalizes {channels} channels in {groups} groups, which do not divide them"
                ),
            });
        }
        let gain = builder.parameter(format!("{name}.weight"), &[channels], Init::Ones);
        builder.keeps(channels);
        Ok(Self {
            gain,
            offset: builder.parameter(format!("{name}.bias"), &[channels], Init::Zeros),
            groups,
            epsilon,
        })
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

    /// What a convolution that follows does first.
    pub(super) fn norm(
        &self,
        weights: &Weights,
        scale_shift: Option<(Tensor<2>, Tensor<2>)>,
        activation: Activation,
    ) -> Norm {
        let options = NormActOptions { groups: self.groups, epsilon: self.epsilon, activation };
        Norm { gain: weights.get(self.gain), offset: weights.get(self.offset), scale_shift, options }
    }
}

/// Dropout whose mask is a function of the condition's key, this layer's number and the sample.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    rate: f64,
    layer: u32,
}

impl Dropout {
    /// The next dropout of a network; `rate` is the probability of a zero.
    pub fn new(builder: &mut Builder, rate: f64) -> Self {
        Self { rate, layer: builder.random_layer() }
    }

    /// Whether there is a mask to apply.
    pub(super) fn applies(&self, condition: &Condition) -> bool {
        self.rate > 0.0 && condition.dropout.is_some()
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
