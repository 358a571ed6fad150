//! A network as a list of operations: what it computes, apart from how this library computes it.
//!
//! 1. Every layer says itself as nodes of a [`Graph`], beside its `forward`; nobody else knows how a network is laid out.
//! 2. A [`Value`] is what a node gives: a row of numbers a sample, or an image a sample. No tensor and no layout in memory.
//! 3. [`Graph::folded`] computes what depends on nothing but weights.
//! 4. Whoever writes a format of others (`exchange`) translates the closed set of [`Operation`]s, and needs to know no network.

mod construction;
mod folding;

use std::sync::Arc;

use crate::model::{ParameterId, ParameterSpec};

/// What a node of a graph gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(usize);

impl Value {
    /// The place of its node in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// What a value holds of each sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The number of a class.
    Label,
    /// So many numbers.
    Row(usize),
    /// Pixels with channels.
    Image {
        /// Rows of pixels.
        height: usize,
        /// Pixels of a row.
        width: usize,
        /// Numbers of a pixel.
        channels: usize,
    },
}

impl Extent {
    /// Numbers of a row or of a pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Label => 1,
            Self::Row(width) => width,
            Self::Image { channels, .. } => channels,
        }
    }

    /// The same pixels with other channels, or a row of so many numbers.
    pub(super) fn with_channels(self, channels: usize) -> Self {
        match self {
            Self::Image { height, width, .. } => Self::Image { height, width, channels },
            Self::Row(_) | Self::Label => Self::Row(channels),
        }
    }
}

/// What is given from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The noisy image, or the noise.
    Image,
    /// The noise level of each sample.
    Level,
    /// The class of each sample.
    Label,
}

/// A function of single numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// x · sigmoid(x).
    Silu,
    /// The sine.
    Sine,
    /// The cosine.
    Cosine,
    /// The natural logarithm.
    Logarithm,
    /// The square root.
    Root,
    /// The arctangent.
    Arctangent,
    /// The larger of x and a constant.
    AtLeast(f64),
    /// x, but not outside of these bounds.
    Clamp(f64, f64),
}

/// What two values become, number by number.
///
/// A row of one number meets every number of the other value, a row every pixel of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// The sum.
    Sum,
    /// The product.
    Product,
    /// The first by the second.
    Quotient,
}

/// Where a convolution's kernel comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The parameter, `[kernel, kernel, n_in, n_out]`.
    pub parameter: ParameterId,
    /// How the pixels of a larger kernel are put together of its pixels; none where it is the kernel itself.
    pub mixing: Option<Mixing>,
}

/// A linear map from the pixels of one kernel to those of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixing {
    /// Height and width of the other kernel.
    pub size: usize,
    /// `[size · size, kernel · kernel]`, row after row.
    pub matrix: Vec<f32>,
}

/// A change of resolution by a factor of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// The transposed convolution with a filter whose sum is 4, at stride 2.
    Double,
    /// The correlation with a filter whose sum is 1, at stride 2.
    Halve,
}

/// What a node computes of its inputs. Images are seen as `[batch, height, width, channels]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Nothing: it is given.
    Input(Input),
    /// A row that is the same for all samples.
    Constant(Vec<f64>),
    /// A row that is a parameter of one axis.
    Parameter(ParameterId),
    /// A function of every number of one value.
    Apply(Function),
    /// Two values, number by number.
    Pair(Pairing),
    /// The row of a parameter `[n_labels, width]` that a label names.
    Lookup(ParameterId),
    /// A row times a matrix `[n_in, n_out]`, plus a row.
    Linear {
        /// The matrix.
        weight: ParameterId,
        /// The row.
        bias: Option<ParameterId>,
    },
    /// Some of the numbers of a row.
    Narrow {
        /// The first of them.
        first: usize,
        /// How many.
        width: usize,
    },
    /// A two-dimensional correlation of an image with a kernel, plus a bias.
    Convolution {
        /// The kernel.
        kernel: Kernel,
        /// The bias, a number a channel.
        bias: ParameterId,
        /// Pixels from one output to the next, along both axes.
        stride: usize,
        /// Zeros around the image, on all sides.
        padding: usize,
    },
    /// An image less its mean by its deviation, in groups of channels over all pixels.
    Normalize {
        /// Number of groups.
        groups: usize,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Every pixel attends to all, by queries, keys and values: softmax(q·kᵀ/√width)·v for every head.
    ///
    /// The channels are ordered (query, key and value; head; width).
    Attention {
        /// Number of heads.
        heads: usize,
    },
    /// A change of resolution.
    Resample {
        /// Which.
        scaling: Scaling,
        /// One axis of the separable filter, normalized as [`Scaling`] says.
        taps: Vec<f64>,
    },
    /// Several values of the same pixels, channel after channel.
    Join,
    /// An image of one pixel as a row.
    Flatten,
    /// A row as an image of one pixel.
    Unflatten,
}

/// One operation with its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What is computed.
    pub operation: Operation,
    /// Of what.
    pub inputs: Vec<Value>,
    /// What comes of it.
    pub extent: Extent,
}

/// A network as operations, each after those that it needs.
#[derive(Debug, Clone)]
pub struct Graph {
    specs: Arc<[ParameterSpec]>,
    nodes: Vec<Node>,
}

impl Graph {
    /// A graph without nodes, for a network of these parameters.
    pub fn new(specs: &Arc<[ParameterSpec]>) -> Self {
        Self { specs: specs.clone(), nodes: Vec::new() }
    }

    /// The operations, each after those that it needs.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What a value holds of each sample.
    pub fn extent(&self, value: Value) -> Extent {
        self.nodes[value.0].extent
    }

    /// Name and shape of a parameter.
    pub fn spec(&self, parameter: ParameterId) -> &ParameterSpec {
        &self.specs[parameter.0]
    }
}
