//! Group norms.

use burn::tensor::Tensor;
use onestep_kernels::{Activation, Norm, NormActOptions};

use crate::model::network::dual::Dual;
use crate::model::network::graph::{Graph, Value};
use crate::model::{Builder, Init, ModelError, ParameterId, Weights};

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
        Dual::with(value, tangent)
    }

    /// [`Self::forward`] as nodes of a graph.
    ///
    /// Scale and shift meet gain and offset before they meet the image: on rows that costs nothing.
    pub fn describe(
        &self,
        graph: &mut Graph,
        input: Value,
        scale_shift: Option<[Value; 2]>,
        activation: Activation,
    ) -> Value {
        let [mut gain, mut offset] = [self.gain, self.offset].map(|row| graph.parameter(row));
        if let Some([scale, shift]) = scale_shift {
            let one = graph.constant(1.0);
            let factor = graph.add(scale, one);
            gain = graph.multiply(gain, factor);
            offset = graph.multiply(offset, factor);
            offset = graph.add(offset, shift);
        }
        let normal = graph.normalize(self.groups, self.epsilon, input);
        let scaled = graph.multiply(normal, gain);
        let output = graph.add(scaled, offset);
        match activation {
            Activation::None => output,
            Activation::Silu => graph.silu(output),
        }
    }

    /// What a convolution that follows does first.
    pub(in crate::model::network) fn with(
        &self,
        scale_shift: Option<[Dual<2>; 2]>,
        activation: Activation,
    ) -> NormWith<'_> {
        NormWith { norm: self, scale_shift, activation }
    }
}

/// A norm with what it is told and what follows it.
#[derive(Debug)]
pub(in crate::model::network) struct NormWith<'a> {
    norm: &'a GroupNorm,
    scale_shift: Option<[Dual<2>; 2]>,
    activation: Activation,
}

impl NormWith<'_> {
    pub(super) fn operator(&self, weights: &Weights) -> Norm {
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

    /// The tangent of what the norm gives.
    pub(super) fn tangent(&self, weights: &Weights, input: &Dual<4>) -> Tensor<4> {
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
