//! Storage of Flex tensors in and out.

use burn::backend::flex::FlexTensor;
use burn::backend::{DType, TensorData, TensorMetadata};

/// A tensor whose storage is exactly its elements in order.
pub(super) struct Contiguous(FlexTensor);

impl Contiguous {
    /// Copies only if the tensor is a view.
    pub(super) fn new(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    /// The elements.
    pub(super) fn as_slice(&self) -> &[f32] {
        self.0.storage::<f32>()
    }
}

/// Whether the hand-written bodies can take them.
pub(super) fn is_f32<'a>(tensors: impl IntoIterator<Item = &'a FlexTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype() == DType::F32)
}

/// The shape of a tensor.
pub(super) fn dims<const D: usize>(tensor: &impl TensorMetadata) -> [usize; D] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

/// A tensor of these values.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A tensor of the shape of another.
pub(super) fn like(values: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, other.shape()))
}
