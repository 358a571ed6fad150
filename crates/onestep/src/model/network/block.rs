//! The residual block that every U-Net of this family is built of.

use onestep_kernels::Activation;

use super::dual::Dual;
use super::graph::{Graph, Value};
use super::layers::{Conv2d, ConvolutionOn, Dropout, GroupNorm, Linear, Start};
use super::resample::Resampling;
use crate::model::{Builder, Condition, ModelError, Weights};

/// Names of the parts of a residual block and of an attention block.
#[derive(Debug, Clone, Copy)]
pub struct BlockNames {
    /// Norm in front of the first convolution.
    pub norm0: &'static str,
    /// First convolution.
    pub conv0: &'static str,
    /// Linear layer that brings in the embedding.
    pub embedding: &'static str,
    /// Norm in front of the second convolution.
    pub norm1: &'static str,
    /// Second convolution.
    pub conv1: &'static str,
    /// 1x1 convolution beside the two.
    pub skip: &'static str,
    /// Norm of the attention.
    pub attention_norm: &'static str,
    /// Last convolution of the attention.
    pub attention_out: &'static str,
}

/// What all residual and attention blocks of one network have in common.
#[derive(Debug, Clone)]
pub struct BlockStyle {
    /// Published names of the parts.
    pub names: BlockNames,
    /// Width of the embedding of noise level and class.
    pub n_embedding: usize,
    /// Whether the embedding scales and shifts the second norm, or is added in front of it.
    pub scale_shift: bool,
    /// Probability of a zero in front of the second convolution.
    pub dropout: f64,
    /// Number of groups of a norm over so many channels.
    pub groups: Groups,
    /// Added to the variance by the norms.
    pub epsilon: f64,
    /// Factor of the residual sums.
    pub residual_scale: f64,
    /// Resampling filter, one axis of it.
    pub filter: Vec<f32>,
    /// Whether a block that resamples has a 1x1 convolution beside it even where the width stays.
    pub project_resampled: bool,
    /// Start of ordinary layers.
    pub start: Start,
    /// Start of the last layer of a residual branch.
    pub last_start: Start,
    /// Start of the fused queries, keys and values.
    pub attention_start: Start,
}

/// Number of groups of a norm.
#[derive(Debug, Clone, Copy)]
pub enum Groups {
    /// The same for all widths.
    Fixed(usize),
    /// A function of the number of channels.
    Of(fn(usize) -> usize),
}

impl Groups {
    fn number(self, channels: usize) -> usize {
        match self {
            Self::Fixed(groups) => groups,
            Self::Of(number) => number(channels),
        }
    }
}

impl BlockStyle {
    /// A norm in this style.
    pub(super) fn norm(
        &self,
        builder: &mut Builder,
        name: &str,
        channels: usize,
    ) -> Result<GroupNorm, ModelError> {
        GroupNorm::new(builder, name, channels, self.groups.number(channels), self.epsilon)
    }
}

/// Norm, SiLU, resampling, convolution; embedding; norm, SiLU, dropout, convolution; residual sum.
#[derive(Debug, Clone)]
pub struct ResidualBlock {
    norm0: GroupNorm,
    conv0: Conv2d,
    embedding: Linear,
    norm1: GroupNorm,
    dropout: Dropout,
    conv1: Conv2d,
    skip: Option<Conv2d>,
    resampling: Resampling,
    scale_shift: bool,
    residual_scale: f64,
    filter: Vec<f32>,
}

impl ResidualBlock {
    /// Registers a block from `n_in` to `n_out` channels.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the groups of a norm do not divide the channels.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        [n_in, n_out]: [usize; 2],
        resampling: Resampling,
        style: &BlockStyle,
    ) -> Result<Self, ModelError> {
        let path = |part: &str| format!("{name}.{part}");
        let names = style.names;
        let n_modulation = if style.scale_shift { 2 * n_out } else { n_out };
        let projects = n_in != n_out || (resampling != Resampling::Keep && style.project_resampled);
        let norm0 = style.norm(builder, &path(names.norm0), n_in)?;
        let conv0 = Conv2d::new(builder, &path(names.conv0), [n_in, n_out], 3, style.start);
        let modulation = [style.n_embedding, n_modulation];
        let embedding = Linear::new(builder, &path(names.embedding), modulation, style.start);
        let norm1 = style.norm(builder, &path(names.norm1), n_out)?;
        let dropout = Dropout::new(builder, style.dropout);
        Ok(Self {
            norm0,
            conv0,
            embedding,
            norm1,
            dropout,
            conv1: Conv2d::new(builder, &path(names.conv1), [n_out, n_out], 3, style.last_start),
            skip: projects.then(|| Conv2d::new(builder, &path(names.skip), [n_in, n_out], 1, style.start)),
            resampling,
            scale_shift: style.scale_shift,
            residual_scale: style.residual_scale,
            filter: style.filter.clone(),
        })
    }

    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, height, width, n_in]`
    /// - `embedding`: `[batch, n_embedding]`, after its last activation
    /// - returns: `[batch, height', width', n_out]`, doubled or halved where the block resamples
    pub fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        let mut first = match self.resampling {
            Resampling::Keep => ConvolutionOn {
                norm: Some(self.norm0.with(None, Activation::Silu)),
                inner: true,
                ..self.conv0.on(input.clone())
            },
            Resampling::Up | Resampling::Down => {
                let hidden = self.norm0.forward(weights, input.clone(), None, Activation::Silu);
                ConvolutionOn { inner: true, ..self.conv0.on(self.resampling.apply(hidden, &self.filter)) }
            }
        };
        let mut modulation = Some(self.embedding.forward(weights, embedding.clone()));
        if !self.scale_shift {
            first.shift = modulation.take();
        }
        let hidden = first.forward(weights);
        let channels = hidden.dims()[3];
        let scale_shift = modulation.map(|modulation| {
            [0, channels].map(|first| modulation.clone().linear(|both| both.narrow(1, first, channels)))
        });

        let second = if self.dropout.applies(condition) {
            let hidden = self.norm1.forward(weights, hidden, scale_shift, Activation::Silu);
            self.conv1.on(self.dropout.forward(hidden, condition))
        } else {
            ConvolutionOn {
                norm: Some(self.norm1.with(scale_shift, Activation::Silu)),
                ..self.conv1.on(hidden)
            }
        };
        let skip = self.resampling.apply(input, &self.filter);
        let skip = match &self.skip {
            Some(conv) => conv.inner(weights, skip),
            None => skip,
        };
        ConvolutionOn { residual: Some(skip), factor: self.residual_scale, inner: true, ..second }
            .forward(weights)
    }

    /// [`Self::forward`] as nodes of a graph; there is no dropout in it.
    pub fn describe(&self, graph: &mut Graph, input: Value, embedding: Value) -> Value {
        let hidden = self.norm0.describe(graph, input, None, Activation::Silu);
        let hidden = self.resampling.describe(graph, hidden, &self.filter);
        let mut hidden = self.conv0.describe(graph, hidden);
        let mut modulation = Some(self.embedding.describe(graph, embedding));
        if !self.scale_shift
            && let Some(shift) = modulation.take()
        {
            hidden = graph.add(hidden, shift);
        }
        let channels = graph.extent(hidden).channels();
        let scale_shift =
            modulation.map(|both| [0, channels].map(|first| graph.narrow(both, first, channels)));

        let hidden = self.norm1.describe(graph, hidden, scale_shift, Activation::Silu);
        let hidden = self.conv1.describe(graph, hidden);
        let skip = self.resampling.describe(graph, input, &self.filter);
        let skip = match &self.skip {
            Some(conv) => conv.describe(graph, skip),
            None => skip,
        };
        let sum = graph.add(hidden, skip);
        graph.scaled(sum, self.residual_scale)
    }
}
