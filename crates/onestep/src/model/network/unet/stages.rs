//! What a U-Net is a list of.

use std::ops::Range;

use crate::model::network::attention::SelfAttention;
use crate::model::network::block::ResidualBlock;
use crate::model::network::dual::Dual;
use crate::model::network::graph::{Graph, Value};
use crate::model::network::layers::{Conv2d, GroupNorm};
use crate::model::network::recompute::{Part, Recomputable};
use crate::model::network::resample::{BOX_FILTER, ConvDownsample, Resampling};
use crate::model::{Condition, Weights};

/// The stages on the way down and up.
#[derive(Debug, Clone)]
pub struct Stages {
    /// Way down.
    pub encoder: Vec<EncoderStage>,
    /// Way up.
    pub decoder: Vec<DecoderStage>,
    /// Filter that shrinks the input for lower levels and enlarges their images, one axis of it.
    pub filter: Vec<f32>,
}

/// Layers one after the other, which activation checkpointing takes for one.
pub type Layers = Vec<Layer>;

/// A layer of a block.
#[derive(Debug, Clone)]
pub enum Layer {
    /// A residual block.
    Residual(ResidualBlock),
    /// Attention of pixels to each other.
    Attention(SelfAttention),
    /// A convolution alone.
    Convolution(Conv2d),
    /// Pixels repeated, or the mean of two by two.
    Resample(Resampling),
}

/// A stage on the way down.
#[derive(Debug, Clone)]
pub enum EncoderStage {
    /// A convolution that is never computed twice.
    Convolution(Conv2d),
    /// Layers whose output is put aside.
    Block(Recomputable<Layers>),
    /// A 1x1 convolution of the input, shrunk once more.
    Skip(Conv2d),
    /// A convolution of the previous level's residual input, halved.
    Residual(ConvDownsample),
}

/// A stage on the way up.
#[derive(Debug, Clone)]
pub enum DecoderStage {
    /// Layers.
    Block {
        /// The layers.
        block: Recomputable<Layers>,
        /// Whether it takes in the feature map put aside on the way down.
        joins: bool,
    },
    /// An image of this level, added to that of the level below.
    Output {
        /// Norm in front of the convolution.
        norm: GroupNorm,
        /// The convolution.
        conv: Conv2d,
    },
}

impl Stages {
    /// Parameters of each block, on the way down and up.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let down = self.encoder.iter().filter_map(|stage| match stage {
            EncoderStage::Block(block) => Some(block.parameters()),
            EncoderStage::Convolution(_) | EncoderStage::Skip(_) | EncoderStage::Residual(_) => None,
        });
        let up = self.decoder.iter().filter_map(|stage| match stage {
            DecoderStage::Block { block, .. } => Some(block.parameters()),
            DecoderStage::Output { .. } => None,
        });
        down.chain(up).collect()
    }
}

impl Layer {
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        match self {
            Self::Residual(block) => block.forward(weights, input, embedding, condition),
            Self::Attention(attention) => attention.forward(weights, input),
            Self::Convolution(conv) => conv.inner(weights, input),
            Self::Resample(resampling) => resampling.apply(input, &BOX_FILTER),
        }
    }

    fn describe(&self, graph: &mut Graph, input: Value, embedding: Value) -> Value {
        match self {
            Self::Residual(block) => block.describe(graph, input, embedding),
            Self::Attention(attention) => attention.describe(graph, input),
            Self::Convolution(conv) => conv.describe(graph, input),
            Self::Resample(resampling) => resampling.describe(graph, input, &BOX_FILTER),
        }
    }
}

impl Part for Layers {
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        self.iter().fold(input, |hidden, layer| layer.forward(weights, hidden, embedding, condition))
    }

    fn describe(&self, graph: &mut Graph, input: Value, embedding: Value) -> Value {
        self.iter().fold(input, |hidden, layer| layer.describe(graph, hidden, embedding))
    }
}
