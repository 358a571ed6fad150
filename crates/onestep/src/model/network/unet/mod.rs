//! The U-Net that ADM and EDM's networks are.
//!
//! From top to bottom: on the way down, blocks whose outputs are put aside, and a halving after each level; at the lowest
//! level, blocks that take in nothing; on the way up, the mirror image, each block taking in what was put aside at its
//! height. How many blocks of which layers, and what they are called, each family says in its own file.

mod stages;

use std::ops::Range;
use std::sync::Arc;

use onestep_kernels::Activation;

pub(super) use stages::{DecoderStage, EncoderStage, Layer, Layers, Stages};

use super::attention::scaled;
use super::dual::{Dual, NoiseCode};
use super::embedding::Embedding;
use super::graph::{Graph, Value};
use super::layers::ConvolutionOn;
use super::resample::Resampling;
use super::{Network, check_call};
use crate::model::{Builder, Condition, ModelError, ParameterSpec, Weights};

/// A U-Net: an embedding of noise level and class, and the stages that are told it.
///
/// [`UNet::adm`], [`UNet::song`] and [`UNet::dhariwal`] lay one out. Parameters carry published names.
#[derive(Debug, Clone)]
pub struct UNet {
    specs: Arc<[ParameterSpec]>,
    image: [usize; 3],
    embedding: Embedding,
    stages: Stages,
}

impl UNet {
    /// A network of parts whose parameters are all in `builder`.
    pub(super) fn new(builder: Builder, image: [usize; 3], embedding: Embedding, stages: Stages) -> Self {
        Self { specs: builder.finish(), image, embedding, stages }
    }
}

impl Network for UNet {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }

    fn image(&self) -> [usize; 3] {
        self.image
    }

    fn n_classes(&self) -> Option<usize> {
        self.embedding.n_classes()
    }

    fn takes_guidance(&self) -> bool {
        self.embedding.guidance.is_some()
    }

    fn blocks(&self) -> Vec<Range<usize>> {
        self.stages.blocks()
    }

    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        check_call(self, &input, code, condition, self.embedding.augment_dim())?;
        let place = (&input.device(), input.dtype());
        let embedding = self.embedding.forward(weights, code, condition, place);
        Ok(self.stages.forward(weights, input, &embedding, condition))
    }

    fn describe(
        &self,
        graph: &mut Graph,
        input: Value,
        code: Value,
        label: Option<Value>,
    ) -> Result<Value, ModelError> {
        let embedding = self.embedding.describe(graph, code, label)?;
        Ok(self.stages.describe(graph, input, embedding))
    }
}

impl Stages {
    /// Applies all stages.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, height, width, in_channels]`
    /// - `embedding`: `[batch, n_embedding]`, after its last activation
    /// - returns: `[batch, height, width, out_channels]`
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        let mut side = input.clone();
        let mut hidden = input;
        let mut skips: Vec<Dual<4>> = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            let joined = match stage {
                EncoderStage::Convolution(conv) => {
                    hidden = conv.inner(weights, hidden);
                    false
                }
                EncoderStage::Block(block) => {
                    hidden = block.forward(weights, vec![hidden], embedding, condition);
                    false
                }
                EncoderStage::Skip(conv) => {
                    side = Resampling::Down.apply(side, &self.filter);
                    hidden = hidden.in_full() + conv.forward(weights, side.clone());
                    true
                }
                EncoderStage::Residual(conv) => {
                    let hidden_and_side = hidden.in_full() + conv.forward(weights, side);
                    hidden = scaled(hidden_and_side, std::f64::consts::FRAC_1_SQRT_2);
                    side = hidden.clone();
                    true
                }
            };
            // What comes from the side is part of the feature map put aside, not another one.
            if joined {
                skips.pop();
            }
            skips.push(hidden.clone());
        }

        let mut image: Option<Dual<4>> = None;
        for stage in &self.decoder {
            match stage {
                DecoderStage::Block { block, joins } => {
                    let mut inputs = vec![hidden];
                    if *joins {
                        inputs.push(skips.pop().expect("as many blocks up as down"));
                    }
                    hidden = block.forward(weights, inputs, embedding, condition);
                }
                DecoderStage::Output { norm, conv } => {
                    let norm = Some(norm.with(None, Activation::Silu));
                    let level = ConvolutionOn { norm, ..conv.on(hidden.clone()) }.forward(weights);
                    image = Some(match image {
                        Some(below) => Resampling::Up.apply(below, &self.filter) + level,
                        None => level,
                    });
                }
            }
        }
        image.expect("the top level always has an output")
    }

    /// [`Self::forward`] as nodes of a graph.
    fn describe(&self, graph: &mut Graph, input: Value, embedding: Value) -> Value {
        let mut side = input;
        let mut hidden = input;
        let mut skips: Vec<Value> = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            match stage {
                EncoderStage::Convolution(conv) => hidden = conv.describe(graph, hidden),
                EncoderStage::Block(block) => hidden = block.describe(graph, vec![hidden], embedding),
                EncoderStage::Skip(conv) => {
                    side = Resampling::Down.describe(graph, side, &self.filter);
                    let beside = conv.describe(graph, side);
                    hidden = graph.add(hidden, beside);
                    skips.pop();
                }
                EncoderStage::Residual(conv) => {
                    let beside = conv.describe(graph, side);
                    let sum = graph.add(hidden, beside);
                    hidden = graph.scaled(sum, std::f64::consts::FRAC_1_SQRT_2);
                    side = hidden;
                    skips.pop();
                }
            }
            skips.push(hidden);
        }

        let mut image: Option<Value> = None;
        for stage in &self.decoder {
            match stage {
                DecoderStage::Block { block, joins } => {
                    let mut inputs = vec![hidden];
                    if *joins {
                        inputs.push(skips.pop().expect("as many blocks up as down"));
                    }
                    hidden = block.describe(graph, inputs, embedding);
                }
                DecoderStage::Output { norm, conv } => {
                    let level = norm.describe(graph, hidden, None, Activation::Silu);
                    let level = conv.describe(graph, level);
                    image = Some(match image {
                        Some(below) => {
                            let enlarged = Resampling::Up.describe(graph, below, &self.filter);
                            graph.add(enlarged, level)
                        }
                        None => level,
                    });
                }
            }
        }
        image.expect("the top level always has an output")
    }
}
