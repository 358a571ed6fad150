//! Self-attention over the pixels of a feature map.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use onestep_kernels::Activation;

use super::block::BlockStyle;
use super::dual::Dual;
use super::graph::{Graph, Value};
use super::layers::{Conv2d, ConvolutionOn, GroupNorm};
use crate::model::{Builder, ModelError, Weights};

/// Group norm, queries, keys and values by one 1x1 convolution, attention, a 1x1 convolution, residual sum.
///
/// The 3·channels outputs of the fused convolution are ordered (three, head, width) in every network of
/// this library, so that queries, keys and values are contiguous. Families that store another order are
/// permuted when they are imported (`interop`), not here.
#[derive(Debug, Clone)]
pub struct SelfAttention {
    norm: GroupNorm,
    qkv: Conv2d,
    projection: Conv2d,
    heads: usize,
    residual_scale: f64,
}

impl SelfAttention {
    /// Registers the norm, `{name}.qkv` and the projection under the names of `style`.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if `heads` or the groups of the norm do not divide `channels`.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        channels: usize,
        heads: usize,
        style: &BlockStyle,
    ) -> Result<Self, ModelError> {
        if heads == 0 || !channels.is_multiple_of(heads) {
            return Err(ModelError::BadArchitecture {
                reason: format!(
                    "`{name}` attends with {heads} heads over {channels} channels, which they do not divide"
                ),
            });
        }
        let conv = |builder: &mut Builder, part: &str, n_out, start| {
            Conv2d::new(builder, &format!("{name}.{part}"), [channels, n_out], 1, start)
        };
        let norm = style.norm(builder, &format!("{name}.{}", style.names.attention_norm), channels)?;
        let qkv = conv(builder, "qkv", 3 * channels, style.attention_start);
        // Queries, keys and values; the attention of every pixel to every other is computed again from them.
        builder.keeps(3 * channels);
        Ok(Self {
            norm,
            qkv,
            projection: conv(builder, style.names.attention_out, channels, style.last_start),
            heads,
            residual_scale: style.residual_scale,
        })
    }

    /// `[batch, height, width, channels]` to the same shape.
    pub fn forward(&self, weights: &Weights, input: Dual<4>) -> Dual<4> {
        let [batch, height, width, channels] = input.dims();
        let norm = Some(self.norm.with(None, Activation::None));
        let qkv = ConvolutionOn { norm, inner: true, ..self.qkv.on(input.clone()) }.forward(weights);
        let qkv = qkv.linear(|tensor| tensor.reshape([batch, height * width, 3 * channels]));
        let tangent = qkv
            .tangent
            .map(|tangent| attention_tangent(qkv.value.clone().inner(), tangent, self.heads))
            .map(|tangent| tangent.reshape([batch, height, width, channels]));
        let value = onestep_kernels::attention(qkv.value, self.heads, weights.precision())
            .reshape([batch, height, width, channels]);
        let projection = self.projection.on(Dual::with(value, tangent));
        ConvolutionOn { residual: Some(input), factor: self.residual_scale, inner: true, ..projection }
            .forward(weights)
    }

    /// [`Self::forward`] as nodes of a graph.
    pub fn describe(&self, graph: &mut Graph, input: Value) -> Value {
        let hidden = self.norm.describe(graph, input, None, Activation::None);
        let qkv = self.qkv.describe(graph, hidden);
        let attended = graph.attention(self.heads, qkv);
        let projected = self.projection.describe(graph, attended);
        let sum = graph.add(projected, input);
        graph.scaled(sum, self.residual_scale)
    }
}

/// The tangent of softmax(S)·v with S = q·kᵀ/√width: P'·v + P·v', where P' = P∘(S' - P·S' summed over the keys).
///
/// # Shapes
///
/// - `qkv` and its tangent: `[batch, tokens, 3 · heads · width]`, as [`onestep_kernels::attention()`] takes them
/// - returns: `[batch, tokens, heads · width]`
///
/// # Source
///
/// Lu and Song 2024 (arXiv:2410.11081), appendix F, with the matrix of tokens by tokens written out.
fn attention_tangent(qkv: Tensor<3>, tangent: Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, tokens, channels] = qkv.dims();
    let width = channels / (3 * heads);
    let split = |tensor: Tensor<3>| {
        [0, 1, 2].map(|part| {
            let part = tensor.clone().narrow(2, part * heads * width, heads * width);
            part.reshape([batch, tokens, heads, width]).swap_dims(1, 2) // [batch, heads, tokens, width]
        })
    };
    let ([q, k, v], [dq, dk, dv]) = (split(qkv), split(tangent));
    let scale = 1.0 / (width as f64).sqrt();
    let scores = |q: Tensor<4>, k: Tensor<4>| q.matmul(k.swap_dims(2, 3)) * scale; // [batch, heads, tokens, tokens]
    let share = softmax(scores(q.clone(), k.clone()), 3);
    let change = share.clone() * (scores(dq, k) + scores(q, dk));
    let change = change.clone() - share.clone() * change.sum_dim(3);
    let attended = change.matmul(v) + share.matmul(dv);
    attended.swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

/// A residual sum times its scale, where that is not 1.
pub(super) fn scaled(sum: Dual<4>, scale: f64) -> Dual<4> {
    if scale == 1.0 { sum } else { sum * scale }
}
