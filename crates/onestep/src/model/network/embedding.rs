//! The embedding of noise level, class and augmentation: what every block of a network is told.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::dual::{Dual, NoiseCode};
use super::graph::{Graph, Value};
use super::layers::Linear;
use super::sinusoids::{Order, Spacing, describe_fourier, describe_sinusoidal, fourier, sinusoidal};
use crate::model::{Condition, ParameterId, Weights};

/// Sinusoids of the noise code and layers that labels go through, brought together by two layers.
///
/// Its parts are registered by each network, in the order of that network's files.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// How the noise code becomes numbers.
    pub waves: Waves,
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
            let rows = class.and_then(|class| class_rows(condition, class.n_labels, value, place));
            add_labels(weights, embedding, class, rows)
        };
        let embedding = with_class(waves, ClassPlace::InFront, self.root());
        let augment = augment_rows(condition, self.augment_dim(), place);
        let embedding = add_labels(weights, embedding, self.augment.as_ref(), augment);
        let embedding = self.layers[0].forward(weights, embedding).silu();
        let embedding = self.layers[1].forward(weights, embedding);
        with_class(embedding, ClassPlace::Behind, 1.0).silu()
    }

    /// [`Self::forward`] as nodes of a graph, without augmentation.
    pub fn describe(&self, graph: &mut Graph, code: Value, label: Option<Value>) -> Value {
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
        graph.silu(embedding)
    }

    /// What stands at the place of a class in front of both layers.
    fn root(&self) -> f64 {
        (self.n_classes().unwrap_or(0) as f64).sqrt()
    }
}

/// `value` at each sample's class, zero elsewhere; none where no class is given.
///
/// # Shapes
///
/// Returns `[batch, n_classes]`.
fn class_rows(
    condition: &Condition,
    n_classes: usize,
    value: f64,
    (device, dtype): (&Device, DType),
) -> Option<Tensor<2>> {
    let labels = condition.labels.as_ref()?;
    let mut values = vec![0.0; labels.len() * n_classes];
    for (row, &label) in values.chunks_exact_mut(n_classes).zip(labels) {
        row[label] = value;
    }
    Some(Tensor::from_data(TensorData::new(values, [labels.len(), n_classes]), (device, dtype)))
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
