//! Self-attention over the pixels of a feature map.

use burn::tensor::Tensor;
use onestep_kernels::{Activation, Convolution};

use super::block::BlockStyle;
use super::layers::{Conv2d, GroupNorm};
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
    pub fn forward(&self, weights: &Weights, input: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, channels] = input.dims();
        let qkv = Convolution {
            norm: Some(self.norm.norm(weights, None, Activation::None)),
            ..self.qkv.convolution(weights, input.clone())
        };
        let qkv = qkv.forward().reshape([batch, height * width, 3 * channels]);
        let attended = onestep_kernels::attention(qkv, self.heads).reshape([batch, height, width, channels]);
        let projection = self.projection.convolution(weights, attended);
        Convolution { residual: Some(input), factor: self.residual_scale, ..projection }.forward()
    }
}

/// A residual sum times its scale, where that is not 1.
pub(super) fn scaled(sum: Tensor<4>, scale: f64) -> Tensor<4> {
    if scale == 1.0 { sum } else { sum * scale }
}
