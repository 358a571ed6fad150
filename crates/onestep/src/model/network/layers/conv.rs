//! Convolutions, with what stands before and after them.

use burn::tensor::Tensor;
use onestep_kernels::{Conv2dOptions, Convolution, Moments, Precision};

use super::{NormWith, Start};
use crate::model::network::dual::Dual;
use crate::model::network::graph::{Graph, Kernel, Mixing, Value};
use crate::model::{Builder, ParameterId, Weights};

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

    /// This convolution at every second pixel.
    pub fn at_half_resolution(mut self) -> Self {
        self.options.stride = 2;
        self
    }

    /// This convolution with zeros only below and at the right, as many as there were on both sides together but one.
    pub fn padded_behind(mut self) -> Self {
        let [top, bottom, left, right] = self.options.padding;
        self.options.padding = [0, (top + bottom).saturating_sub(1), 0, (left + right).saturating_sub(1)];
        self
    }

    /// `[batch, height, width, n_in]` to `[batch, height / stride, width / stride, n_out]`.
    pub fn forward(&self, weights: &Weights, input: Dual<4>) -> Dual<4> {
        self.on(input).forward(weights)
    }

    /// [`Self::forward`] as a node of a graph.
    pub fn describe(&self, graph: &mut Graph, input: Value) -> Value {
        let Conv2dOptions { stride, padding: [padding, ..] } = self.options;
        self.describe_as(graph, None, [stride, padding], input)
    }

    /// A convolution with these weights, but of another kernel, stride and padding.
    pub(in crate::model::network) fn describe_as(
        &self,
        graph: &mut Graph,
        mixing: Option<Mixing>,
        stride_and_padding: [usize; 2],
        input: Value,
    ) -> Value {
        let kernel = Kernel { parameter: self.weight, mixing };
        graph.convolution(kernel, self.bias, stride_and_padding, input)
    }

    /// [`Self::forward`] for a result that layers of this network alone read.
    pub(in crate::model::network) fn inner(&self, weights: &Weights, input: Dual<4>) -> Dual<4> {
        ConvolutionOn { inner: true, ..self.on(input) }.forward(weights)
    }

    /// The convolution to be computed, for callers that add what stands before and after it.
    pub(in crate::model::network) fn on(&self, input: Dual<4>) -> ConvolutionOn<'_> {
        ConvolutionOn {
            conv: self,
            input,
            norm: None,
            shift: None,
            residual: None,
            factor: 1.0,
            inner: false,
        }
    }

    pub(in crate::model::network) fn weight(&self, weights: &Weights) -> Tensor<4> {
        weights.get(self.weight)
    }

    pub(in crate::model::network) fn bias(&self, weights: &Weights) -> Tensor<1> {
        weights.get(self.bias)
    }
}

/// A convolution with its input and what stands before and after it: factor · (conv(norm(input)) + shift + residual).
#[derive(Debug)]
pub(in crate::model::network) struct ConvolutionOn<'a> {
    /// The layer.
    pub conv: &'a Conv2d,
    /// What the layer is applied to.
    pub input: Dual<4>,
    /// The norm in front.
    pub norm: Option<NormWith<'a>>,
    /// Added to the bias, `[batch, n_out]`.
    pub shift: Option<Dual<2>>,
    /// Added to the result.
    pub residual: Option<Dual<4>>,
    /// Multiplies the sum.
    pub factor: f64,
    /// Whether the result is read by layers of this network alone: it may then be stored in bf16, where the network multiplies so.
    pub inner: bool,
}

impl ConvolutionOn<'_> {
    /// Computes the convolution: the value in one operator, the tangent as the same convolution of the tangent of what it convolves.
    pub fn forward(self, weights: &Weights) -> Dual<4> {
        let Self { conv, input, norm, shift, residual, factor, inner } = self;
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
        // What leaves the network is read by no norm.
        let moments = inner.then(Moments::new);
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
            input_moments: input.moments,
            output_moments: moments.clone(),
            store: if inner && !carries { weights.storage() } else { Precision::F32 },
            ..Convolution::new(input.value, weight, conv.options)
        };
        Dual { value: value.forward(), tangent, moments }
    }
}
