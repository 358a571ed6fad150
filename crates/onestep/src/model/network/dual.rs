//! Dual numbers: a tensor together with its derivative along one direction.
//!
//! Continuous-time consistency models need the derivative of a network along the path of a sample, exactly: one
//! pass in which every layer maps (value, tangent) to (value, tangent) by the chain rule. The layers are written
//! on [`Dual`]s once; an ordinary evaluation is the case without a tangent and costs nothing more.
//!
//! A value carries its gradient graph as always. A tangent never has one: it is a number to train with.

use std::ops::{Add, Mul};

use burn::tensor::{DType, Device, Tensor, TensorData, activation::sigmoid};
use onestep_kernels::{Moments, concat};

/// A value and, where one is carried along, its tangent.
#[derive(Debug, Clone)]
pub struct Dual<const D: usize> {
    /// The value, with its gradient graph.
    pub value: Tensor<D>,
    /// The derivative along the direction in question, of the same shape, without a graph.
    pub tangent: Option<Tensor<D>>,
    /// What the operator that made the value knows of it, for a norm that reads it; of this value and no other.
    pub(super) moments: Option<Moments>,
}

impl<const D: usize> From<Tensor<D>> for Dual<D> {
    /// A value alone: in a pass without tangents, or one that does not change along the direction.
    fn from(value: Tensor<D>) -> Self {
        Self::with(value, None)
    }
}

impl<const D: usize> Dual<D> {
    /// A value with its tangent, which loses its graph.
    pub fn new(value: Tensor<D>, tangent: Tensor<D>) -> Self {
        Self::with(value, Some(tangent.inner()))
    }

    /// A value with a tangent that has no graph, if it has one.
    pub fn with(value: Tensor<D>, tangent: Option<Tensor<D>>) -> Self {
        Self { value, tangent, moments: None }
    }

    /// Extents of both.
    pub fn dims(&self) -> [usize; D] {
        self.value.dims()
    }

    /// Where the tensors live.
    pub fn device(&self) -> Device {
        self.value.device().inner()
    }

    /// Float type of both.
    pub fn dtype(&self) -> DType {
        self.value.dtype()
    }

    /// The image under a linear map, which maps value and tangent alike.
    pub fn linear<const E: usize>(self, map: impl Fn(Tensor<D>) -> Tensor<E>) -> Dual<E> {
        let tangent = self.tangent.map(&map);
        Dual::with(map(self.value), tangent)
    }

    /// Joins along an axis.
    pub fn cat(parts: Vec<Self>, axis: usize) -> Self {
        Self::joined_by(parts, |parts| Tensor::cat(parts, axis))
    }

    /// Joins values, and tangents where any part has one.
    fn joined_by(parts: Vec<Self>, join: impl Fn(Vec<Tensor<D>>) -> Tensor<D>) -> Self {
        let tangent = parts.iter().any(|part| part.tangent.is_some()).then(|| {
            let tangents = parts.iter().map(|part| part.tangent.clone().unwrap_or_else(|| part.zeros()));
            join(tangents.collect())
        });
        Self::with(join(parts.into_iter().map(|part| part.value).collect()), tangent)
    }

    /// The tangent of something that does not change.
    pub(super) fn zeros(&self) -> Tensor<D> {
        self.value.clone().inner().zeros_like()
    }

    /// x · sigmoid(x).
    pub fn silu(self) -> Self {
        let tangent = self.tangent.map(|tangent| tangent * silu_slope(self.value.clone().inner()));
        Self::with(onestep_kernels::silu(self.value), tangent)
    }
}

impl Dual<4> {
    /// In f32 what a layer stored in bf16.
    pub(super) fn in_full(self) -> Self {
        if self.dtype() == DType::BF16 { self.linear(|tensor| tensor.cast(DType::F32)) } else { self }
    }

    /// Joins feature maps channel after channel.
    pub(super) fn joined(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        // What came from a sum outside of a layer is in f32 where layers store bf16.
        if parts.iter().any(|part| part.dtype() != parts[0].dtype()) {
            parts = parts.into_iter().map(Self::in_full).collect();
        }
        let moments: Option<Vec<Moments>> = parts.iter().map(|part| part.moments.clone()).collect();
        Self { moments: moments.map(Moments::joined), ..Self::joined_by(parts, concat) }
    }
}

impl<const D: usize> Add for Dual<D> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let tangent = match (self.tangent, other.tangent) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        Self::with(self.value + other.value, tangent)
    }
}

impl<const D: usize> Mul<f64> for Dual<D> {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.linear(|tensor| tensor * factor)
    }
}

/// The derivative of x · sigmoid(x): s·(1 + x·(1 - s)).
fn silu_slope<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let s = sigmoid(x.clone());
    s.clone() * (x * (s.neg() + 1.0) + 1.0)
}

/// What a network is told about the noise: one number a sample and, in a pass with tangents, its derivative.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseCode {
    /// c_noise of each sample.
    pub values: Vec<f64>,
    /// The derivative of each number along the direction in question.
    pub tangents: Option<Vec<f64>>,
}

impl From<&[f64]> for NoiseCode {
    fn from(values: &[f64]) -> Self {
        Self { values: values.to_vec(), tangents: None }
    }
}

impl NoiseCode {
    /// The codes as a column with their derivatives, for a layer of a network.
    ///
    /// # Shapes
    ///
    /// Returns `[batch, 1]`, of the float type given.
    pub fn column(&self, device: &Device, dtype: DType) -> Dual<2> {
        let column = |values: &Vec<f64>| {
            Tensor::from_data(TensorData::new(values.clone(), [values.len(), 1]), (device, dtype))
        };
        Dual::with(column(&self.values), self.tangents.as_ref().map(column))
    }

    /// The code times a constant.
    pub fn scaled(&self, factor: f64) -> Self {
        let scale = |values: &Vec<f64>| values.iter().map(|value| factor * value).collect();
        Self { values: scale(&self.values), tangents: self.tangents.as_ref().map(scale) }
    }
}
