//! Layers: each knows the names of its parameters and how to apply them; none holds a number.
//!
//! The work itself is done by `onestep-kernels`.

use burn::tensor::{DType, Tensor};
use onestep_kernels::{Activation, Conv2dOptions, Convolution, Norm, NormActOptions};

use super::dual::Dual;
use crate::model::{Builder, Condition, Init, ModelError, ParameterId, Weights};

/// How the weight and the bias of a layer start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// PyTorch's default, weight and bias uniform with bound 1/√fan_in; also EDM's `kaiming_uniform` with gain √(1/3).
    FanIn,
    /// Weight and bias zero: a layer that adds nothing at first.
    Zeros,
    /// Weight zero, one number for the bias: a layer that gives that number at first.
    At {
        /// The number.
        bias: f64,
    },
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
            Self::Zeros | Self::At { .. } => Init::Zeros,
            Self::Xavier { gain } => Init::xavier_uniform(fan_in, fan_out, gain),
            Self::Normal => Init::Normal { std: 1.0 },
        }
    }

    fn bias(self, fan_in: usize) -> Init {
        match self {
            Self::FanIn => Init::fan_in(fan_in),
            Self::At { bias } => Init::Constant { value: bias },
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
    pub fn forward(&self, weights: &Weights, input: Dual<4>) -> Dual<4> {
        self.on(input).forward(weights)
    }

    /// The convolution to be computed, for callers that add what stands before and after it.
    pub(super) fn on(&self, input: Dual<4>) -> ConvolutionOn<'_> {
        ConvolutionOn { conv: self, input, norm: None, shift: None, residual: None, factor: 1.0 }
    }

    pub(super) fn weight(&self, weights: &Weights) -> Tensor<4> {
        weights.get(self.weight)
    }

    pub(super) fn bias(&self, weights: &Weights) -> Tensor<1> {
        weights.get(self.bias)
    }
}

/// A convolution with its input and what stands before and after it: factor · (conv(norm(input)) + shift + residual).
#[derive(Debug)]
pub(super) struct ConvolutionOn<'a> {
    /// The layer.
    pub conv: &'a Conv2d,
    /// What it is applied to.
    pub input: Dual<4>,
    /// The norm in front.
    pub norm: Option<NormWith<'a>>,
    /// Added to the bias, `[batch, n_out]`.
    pub shift: Option<Dual<2>>,
    /// Added to the result.
    pub residual: Option<Dual<4>>,
    /// Multiplies the sum.
    pub factor: f64,
}

impl ConvolutionOn<'_> {
    /// Computes it: the value in one operator, the tangent as the same convolution of the tangent of what it convolves.
    pub fn forward(self, weights: &Weights) -> Dual<4> {
        let Self { conv, input, norm, shift, residual, factor } = self;
        let weight = conv.weight(weights);
        let shift_tangent = shift.as_ref().and_then(|shift| shift.tangent.clone());
        let residual_tangent = residual.as_ref().and_then(|residual| residual.tangent.clone());
        let carries = input.tangent.is_some() || shift_tangent.is_some() || residual_tangent.is_some();
        let tangent = carries.then(|| {
            let tangent = match &norm {
                Some(norm) => norm.tangent(weights, &input),
                None => input.tangent.clone().unwrap_or_else(|| input.zeros()),
            };
            Convolution {
                bias: shift_tangent,
                residual: residual_tangent,
                factor,
                precision: weights.precision(),
                layouts: weights.layouts(conv.weight),
                ..Convolution::new(tangent, weight.clone().inner(), conv.options)
            }
            .forward()
        });
        let bias = conv.bias(weights).unsqueeze_dim(0);
        let value = Convolution {
            norm: norm.map(|norm| norm.operator(weights)),
            // What is added to a whole channel is part of the bias.
            bias: Some(match shift {
                Some(shift) => shift.value + bias,
                None => bias,
            }),
            residual: residual.map(|dual| dual.value),
            factor,
            precision: weights.precision(),
            layouts: weights.layouts(conv.weight),
            ..Convolution::new(input.value, weight, conv.options)
        };
        Dual { value: value.forward(), tangent }
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
    pub fn forward(&self, weights: &Weights, input: Dual<2>) -> Dual<2> {
        let (weight, layouts) = (weights.get::<2>(self.weight), weights.layouts(self.weight));
        let bias = self.bias.map(|bias| weights.get(bias));
        let tangent = input.tangent.map(|tangent| {
            onestep_kernels::linear_with(tangent, weight.clone().inner(), None, layouts.clone())
        });
        Dual { value: onestep_kernels::linear_with(input.value, weight, bias, layouts), tangent }
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
        let gain = builder.parameter(format!("{name}.weight"), &[channels], Init::Constant { value: 1.0 });
        builder.keeps(channels);
        Ok(Self {
            gain,
            offset: builder.parameter(format!("{name}.bias"), &[channels], Init::Zeros),
            groups,
            epsilon,
        })
    }

    /// Normalizes `[batch, height, width, channels]`; scale and shift are `[batch, channels]` each.
    pub fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        scale_shift: Option<[Dual<2>; 2]>,
        activation: Activation,
    ) -> Dual<4> {
        let norm = self.with(scale_shift, activation);
        let tangent = input.tangent.is_some().then(|| norm.tangent(weights, &input));
        let Norm { gain, offset, scale_shift, options } = norm.operator(weights);
        let NormActOptions { groups, epsilon, activation } = options;
        let value =
            onestep_kernels::norm_act(input.value, groups, epsilon, gain, offset, scale_shift, activation);
        Dual { value, tangent }
    }

    /// What a convolution that follows does first.
    pub(super) fn with(&self, scale_shift: Option<[Dual<2>; 2]>, activation: Activation) -> NormWith<'_> {
        NormWith { norm: self, scale_shift, activation }
    }
}

/// A norm with what it is told and what follows it.
#[derive(Debug)]
pub(super) struct NormWith<'a> {
    norm: &'a GroupNorm,
    scale_shift: Option<[Dual<2>; 2]>,
    activation: Activation,
}

impl NormWith<'_> {
    fn operator(&self, weights: &Weights) -> Norm {
        let GroupNorm { gain, offset, groups, epsilon } = *self.norm;
        Norm {
            gain: weights.get(gain),
            offset: weights.get(offset),
            scale_shift: self
                .scale_shift
                .as_ref()
                .map(|[scale, shift]| (scale.value.clone(), shift.value.clone())),
            options: NormActOptions { groups, epsilon, activation: self.activation },
        }
    }

    /// The tangent of what it gives.
    fn tangent(&self, weights: &Weights, input: &Dual<4>) -> Tensor<4> {
        let tangent = input.tangent.clone().unwrap_or_else(|| input.zeros());
        let scale_shift_tangent = self.scale_shift.as_ref().map(|both| {
            let [scale, shift] =
                both.each_ref().map(|dual| dual.tangent.clone().unwrap_or_else(|| dual.zeros()));
            (scale, shift)
        });
        onestep_kernels::norm_act_tangent(
            [input.value.clone(), tangent],
            self.operator(weights),
            scale_shift_tangent,
        )
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
    pub fn forward(&self, input: Dual<4>, condition: &Condition) -> Dual<4> {
        match &condition.dropout {
            Some(key) if self.rate > 0.0 => {
                let mask = key.mask(self.layer, self.rate, input.dims(), &input.device());
                let mask = if input.dtype() == DType::F64 { mask.cast(DType::F64) } else { mask };
                input.linear(|tensor| tensor * mask.clone())
            }
            _ => input,
        }
    }
}
