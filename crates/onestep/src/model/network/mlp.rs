//! A small residual multilayer perceptron for data of a few dimensions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dual::{Dual, NoiseCode};
use super::embedding::{ClassPlace, Embedding, GuidanceScale, Labels, Waves};
use super::graph::{Graph, Value};
use super::layers::{Linear, Start};
use super::sinusoids::{Order, Spacing};
use super::{Network, check_call};
use crate::model::{Builder, Condition, ModelError, ParameterSpec, Weights};

/// Settings of [`Mlp`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Number of dimensions of a point; a point is an image of 1 by 1 pixels with this many channels.
    pub n_dims: usize,
    /// Width of the layers.
    #[serde(default = "width")]
    pub width: usize,
    /// Number of residual layers.
    #[serde(default = "depth")]
    pub depth: usize,
    /// Width of the embedding of noise level and class; even.
    #[serde(default = "embedding_width")]
    pub embedding_width: usize,
    /// Multiplies the noise code in front of its sinusoids, the fastest of which turns once in 2π. Codes span about 2.7
    /// (ln σ/4 from σ = 0.002 to 80), so at 32 it turns 14 times. What is trained on derivatives by the code wants it
    /// smoother: 2 or 4.
    #[serde(default = "code_scale", skip_serializing_if = "is_default_code_scale")]
    pub code_scale: f64,
    /// Number of classes; none for an unconditional network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_classes: Option<usize>,
    /// Whether it is told a guidance scale: a student of a guided teacher.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guidance_embedding: bool,
}

impl MlpConfig {
    /// A network for points of `n_dims` dimensions with the default widths.
    pub fn new(n_dims: usize) -> Self {
        Self {
            n_dims,
            width: width(),
            depth: depth(),
            embedding_width: embedding_width(),
            code_scale: code_scale(),
            n_classes: None,
            guidance_embedding: false,
        }
    }
}

/// A residual multilayer perceptron with SiLU; every layer is told the noise level.
///
/// It is smooth in the noise level and starts as the zero function, so a preconditioned denoiser starts
/// as its skip connection.
#[derive(Debug, Clone)]
pub struct Mlp {
    specs: Arc<[ParameterSpec]>,
    n_dims: usize,
    embedding: Embedding,
    input: Linear,
    layers: Vec<Layer>,
    output: Linear,
}

#[derive(Debug, Clone)]
struct Layer {
    first: Linear,
    embedding: Linear,
    second: Linear,
}

impl Mlp {
    /// Lays out the network; no number is allocated.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if a width or the depth is zero, or `embedding_width` is odd.
    pub fn new(config: &MlpConfig) -> Result<Self, ModelError> {
        let MlpConfig { n_dims, width, depth, embedding_width, code_scale, n_classes, guidance_embedding } =
            *config;
        if [n_dims, width, depth, embedding_width, n_classes.unwrap_or(1)].contains(&0) {
            let reason = "n_dims, width, depth, embedding_width and n_classes must be at least 1".into();
            return Err(ModelError::BadArchitecture { reason });
        }
        if !embedding_width.is_multiple_of(2) {
            let reason = format!("embedding_width must be even, got {embedding_width}");
            return Err(ModelError::BadArchitecture { reason });
        }
        if !(0.0 < code_scale && code_scale.is_finite()) {
            let reason = format!("code_scale must be a positive number, got {code_scale}");
            return Err(ModelError::BadArchitecture { reason });
        }
        let mut builder = Builder::default();
        let mut linear =
            |name: &str, sizes: [usize; 2], start: Start| Linear::new(&mut builder, name, sizes, start);
        let both = [
            linear("embedding.0", [embedding_width, embedding_width], Start::FanIn),
            linear("embedding.1", [embedding_width, embedding_width], Start::FanIn),
        ];
        let input = linear("input", [n_dims, width], Start::FanIn);
        let layers = (0..depth)
            .map(|index| Layer {
                first: linear(&format!("layers.{index}.first"), [width, width], Start::FanIn),
                embedding: linear(
                    &format!("layers.{index}.embedding"),
                    [embedding_width, width],
                    Start::FanIn,
                ),
                second: linear(&format!("layers.{index}.second"), [width, width], Start::FanIn),
            })
            .collect();
        let output = linear("output", [width, n_dims], Start::Zeros);
        let class = n_classes.map(|n_labels| Labels {
            layer: Linear::without_bias(&mut builder, "label", [n_labels, embedding_width], Start::Normal),
            n_labels,
        });
        let guidance =
            guidance_embedding.then(|| GuidanceScale::new(&mut builder, "guidance", embedding_width));
        let waves = Waves::Fixed {
            width: embedding_width,
            scale: code_scale,
            order: Order::CosSin,
            spacing: Spacing::WithoutEndpoint,
        };
        let class_place = ClassPlace::Behind;
        let embedding = Embedding { waves, guidance, augment: None, layers: both, class, class_place };
        Ok(Self { specs: builder.finish(), n_dims, embedding, input, layers, output })
    }
}

impl Network for Mlp {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }

    fn image(&self) -> [usize; 3] {
        [1, 1, self.n_dims]
    }

    fn n_classes(&self) -> Option<usize> {
        self.embedding.n_classes()
    }

    fn takes_guidance(&self) -> bool {
        self.embedding.guidance.is_some()
    }

    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        check_call(self, &input, code, condition, 0)?;
        let [batch, .., n_dims] = input.dims();
        let place = (&input.device(), input.dtype());
        let embedding = self.embedding.forward(weights, code, condition, place);
        let mut hidden = self.input.forward(weights, input.linear(|points| points.reshape([batch, n_dims])));
        for layer in &self.layers {
            let inner = layer.first.forward(weights, hidden.clone().silu());
            let inner = (inner + layer.embedding.forward(weights, embedding.clone())).silu();
            hidden = hidden + layer.second.forward(weights, inner);
        }
        let output = self.output.forward(weights, hidden.silu());
        Ok(output.linear(|points| points.reshape([batch, 1, 1, n_dims])))
    }

    fn describe(
        &self,
        graph: &mut Graph,
        input: Value,
        code: Value,
        label: Option<Value>,
    ) -> Result<Value, ModelError> {
        let embedding = self.embedding.describe(graph, code, label)?;
        let point = graph.flatten(input);
        let mut hidden = self.input.describe(graph, point);
        for layer in &self.layers {
            let inner = graph.silu(hidden);
            let inner = layer.first.describe(graph, inner);
            let told = layer.embedding.describe(graph, embedding);
            let inner = graph.add(inner, told);
            let inner = graph.silu(inner);
            let inner = layer.second.describe(graph, inner);
            hidden = graph.add(hidden, inner);
        }
        let output = graph.silu(hidden);
        let output = self.output.describe(graph, output);
        Ok(graph.unflatten(output))
    }
}

fn width() -> usize {
    128
}

fn depth() -> usize {
    4
}

fn embedding_width() -> usize {
    64
}

fn code_scale() -> f64 {
    32.0
}

fn is_default_code_scale(scale: &f64) -> bool {
    *scale == code_scale()
}
