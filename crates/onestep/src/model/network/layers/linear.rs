//! Matrix products.

use super::Start;
use crate::model::network::dual::Dual;
use crate::model::network::graph::{Graph, Value};
use crate::model::{Builder, ParameterId, Weights};

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
        Dual::with(onestep_kernels::linear_with(input.value, weight, bias, layouts), tangent)
    }

    /// [`Self::forward`] as a node of a graph.
    pub fn describe(&self, graph: &mut Graph, input: Value) -> Value {
        graph.linear(self.weight, self.bias, input)
    }

    /// [`Self::forward`] of a row that is `value` at the place of a label and zero elsewhere, as nodes of a graph.
    pub fn describe_label(&self, graph: &mut Graph, label: Value, value: f64) -> Value {
        let row = graph.lookup(self.weight, label);
        let row = graph.scaled(row, value);
        match self.bias {
            Some(bias) => {
                let bias = graph.parameter(bias);
                graph.add(row, bias)
            }
            None => row,
        }
    }
}
