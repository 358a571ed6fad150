//! The embedding of noise level, class, augmentation and guidance scale: what every block of a network is told.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::dual::{Dual, NoiseCode};
use super::graph::{Graph, Value};
use super::layers::{Linear, Start};
use super::sinusoids::{Order, Spacing, describe_fourier, describe_sinusoidal, fourier, sinusoidal};
use crate::model::{Builder, Condition, ModelError, ParameterId, Weights};

/// Sinusoids of the noise code and layers that labels go through, brought together by two layers.
///
/// Its parts are registered by each network, in the order of that network's files.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// How the noise code becomes numbers.
    pub waves: Waves,
    /// What the sinusoids of a guidance scale go through, to be added to those of the noise code.
    pub guidance: Option<GuidanceScale>,
    /// What augmentation labels go through.
    pub augment: Option<Labels>,
    /// The layers, with an activation after each.
    pub layers: [Linear; 2],
    /// What a class goes through.
    pub class: Option<Labels>,
    /// Where the class comes in.
    pub class_place: ClassPlace,
}

/// How the noise code becomes numbers.
#[derive(Debug, Clone, Copy)]
pub enum Waves {
    /// Sinusoids of fixed frequencies, see [`sinusoidal`].
    Fixed {
        /// Number of values.
        width: usize,
        /// Multiplies the code.
        scale: f64,
        /// Which half comes first.
        order: Order,
        /// How the frequencies are spaced.
        spacing: Spacing,
    },
    /// Sinusoids of frequencies that are stored with the weights, see [`fourier`].
    Stored(ParameterId),
}

/// A layer for labels of some number.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The layer, from `n_labels`.
    pub layer: Linear,
    /// How many numbers a sample's labels are.
    pub n_labels: usize,
}

/// A layer that the sinusoids of a guidance scale go through.
#[derive(Debug, Clone)]
pub struct GuidanceScale {
    layer: Linear,
}

/// Sinusoids of a guidance scale, as many as latent consistency models have.
const N_GUIDANCE: usize = 256;
/// Multiplies a guidance scale in front of its sinusoids.
const GUIDANCE_CODE: f64 = 1000.0;

impl GuidanceScale {
    /// Registers `{name}.weight`, zero at first, so that a network which starts from one without it is the same function.
    pub fn new(builder: &mut Builder, name: &str, width: usize) -> Self {
        Self { layer: Linear::without_bias(builder, name, [N_GUIDANCE, width], Start::Zeros) }
    }

    /// What is added to the sinusoids of the noise code.
    ///
    /// # Shapes
    ///
    /// Returns `[batch, width]`.
    ///
    /// # Source
    ///
    /// Latent consistency models (Luo et al. 2023, arXiv:2310.04378), section 4.2, whose training embeds w - 1 where the guided
    /// estimate is D_u + w·(D_c - D_u): sinusoids of 1000·(w - 1), sines first, and a layer without bias.
    fn forward(
        &self,
        weights: &Weights,
        condition: &Condition,
        batch: usize,
        place: (&Device, DType),
    ) -> Dual<2> {
        let values = match &condition.guidance {
            Some(scales) => scales.iter().map(|scale| GUIDANCE_CODE * (scale - 1.0)).collect(),
            None => vec![0.0; batch],
        };
        let code = NoiseCode { values, tangents: None };
        let waves = sinusoidal(&code, N_GUIDANCE, Order::SinCos, Spacing::WithEndpoint, place);
        self.layer.forward(weights, waves)
    }
}

/// Where a class comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassPlace {
    /// In front of both layers, as √n at the place of the class among n (DDPM++, NCSN++).
    InFront,
    /// Behind both layers, in front of the last activation, as 1 at the place of the class (ADM, the perceptron).
    Behind,
}

impl Embedding {
    /// Number of classes; none for an unconditional network.
    pub fn n_classes(&self) -> Option<usize> {
        self.class.as_ref().map(|class| class.n_labels)
    }

    /// Number of augmentation labels; 0 for none.
    pub fn augment_dim(&self) -> usize {
        self.augment.as_ref().map_or(0, |augment| augment.n_labels)
    }

    /// What the blocks are told, after its last activation.
    ///
    /// # Shapes
    ///
    /// Returns `[batch, n_embedding]`.
    pub fn forward(
        &self,
        weights: &Weights,
        code: &NoiseCode,
        condition: &Condition,
        place: (&Device, DType),
    ) -> Dual<2> {
        let waves = match self.waves {
            Waves::Fixed { width, scale, order, spacing } => {
                sinusoidal(&code.scaled(scale), width, order, spacing, place)
            }
            Waves::Stored(frequencies) => fourier(code, weights.get(frequencies)),
        };
        let with_class = |embedding, at, value: f64| {
            let class = self.class.as_ref().filter(|_| self.class_place == at);
            let rows =
                class.map(|class| class_rows(condition, code.values.len(), class.n_labels, value, place));
            add_labels(weights, embedding, class, rows)
        };
        let waves = match &self.guidance {
            Some(guidance) => waves + guidance.forward(weights, condition, code.values.len(), place),
            None => waves,
        };
        let embedding = with_class(waves, ClassPlace::InFront, self.root());
        let augment = augment_rows(condition, self.augment_dim(), place);
        let embedding = add_labels(weights, embedding, self.augment.as_ref(), augment);
        let embedding = self.layers[0].forward(weights, embedding).silu();
        let embedding = self.layers[1].forward(weights, embedding);
        with_class(embedding, ClassPlace::Behind, 1.0).silu()
    }

    /// [`Self::forward`] as nodes of a graph, without augmentation, of a label that is the number of a class.
    ///
    /// # Errors
    ///
    /// [`ModelError::GuidanceNotExported`] where a guidance scale comes in.
    pub fn describe(
        &self,
        graph: &mut Graph,
        code: Value,
        label: Option<Value>,
    ) -> Result<Value, ModelError> {
        if self.guidance.is_some() {
            return Err(ModelError::GuidanceNotExported);
        }
        let waves = match self.waves {
            Waves::Fixed { width, scale, order, spacing } => {
                describe_sinusoidal(graph, code, scale, width, order, spacing)
            }
            Waves::Stored(frequencies) => describe_fourier(graph, code, frequencies),
        };
        let with_class = |graph: &mut Graph, embedding, at, value: f64| {
            let class = self.class.as_ref().filter(|_| self.class_place == at);
            match class.zip(label) {
                Some((class, label)) => {
                    let row = class.layer.describe_label(graph, label, value);
                    graph.add(embedding, row)
                }
                None => embedding,
            }
        };
        let root = self.root();
        let mut embedding = with_class(graph, waves, ClassPlace::InFront, root);
        embedding = self.layers[0].describe(graph, embedding);
        embedding = graph.silu(embedding);
        embedding = self.layers[1].describe(graph, embedding);
        embedding = with_class(graph, embedding, ClassPlace::Behind, 1.0);
        Ok(graph.silu(embedding))
    }

    /// What stands at the place of a class in front of both layers.
    fn root(&self) -> f64 {
        (self.n_classes().unwrap_or(0) as f64).sqrt()
    }
}

/// `value` at each sample's class, zero elsewhere: a sample of the null class has a row of zeros, on which a bias still acts.
///
/// # Shapes
///
/// Returns `[batch, n_classes]`.
///
/// # Source
///
/// `EDMPrecond` of NVlabs/edm, whose vector of a class is all zero where no labels are given.
fn class_rows(
    condition: &Condition,
    batch: usize,
    n_classes: usize,
    value: f64,
    (device, dtype): (&Device, DType),
) -> Tensor<2> {
    let mut values = vec![0.0; batch * n_classes];
    for (row, label) in values.chunks_exact_mut(n_classes).zip(condition.labels.iter().flatten()) {
        if let Some(label) = *label {
            row[label] = value;
        }
    }
    Tensor::from_data(TensorData::new(values, [batch, n_classes]), (device, dtype))
}

/// Each sample's augmentation labels; none without augmentation, or for a network that takes none.
///
/// # Shapes
///
/// Returns `[batch, n_labels]`.
fn augment_rows(
    condition: &Condition,
    n_labels: usize,
    (device, dtype): (&Device, DType),
) -> Option<Tensor<2>> {
    let labels = condition.augment.as_ref().filter(|_| n_labels > 0)?;
    Some(Tensor::from_data(TensorData::new(labels.concat(), [labels.len(), n_labels]), (device, dtype)))
}

/// An embedding with what a layer makes of a condition's rows added, where the network has the layer and the condition
/// the rows.
///
/// # Shapes
///
/// - `embedding`: `[batch, width]`, as is the result
/// - `rows`: `[batch, n_labels]`
fn add_labels(
    weights: &Weights,
    embedding: Dual<2>,
    labels: Option<&Labels>,
    rows: Option<Tensor<2>>,
) -> Dual<2> {
    match labels.zip(rows) {
        Some((labels, rows)) => embedding + labels.layer.forward(weights, rows.into()),
        None => embedding,
    }
}
