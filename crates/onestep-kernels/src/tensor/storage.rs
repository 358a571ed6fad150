//! Storage of Flex tensors in and out.

#![allow(unsafe_code, reason = "numbers of type bf16 as their bits")]

use burn::backend::flex::FlexTensor;
use burn::backend::{DType, TensorData, TensorMetadata};
use burn::tensor::bf16;

use crate::operators::{Stored, Values};

/// A tensor whose storage is exactly its elements in order.
pub(super) struct Contiguous(FlexTensor);

impl Contiguous {
    /// Copies only if the tensor is a view.
    pub(super) fn new(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    /// The elements of a tensor of f32.
    pub(super) fn as_slice(&self) -> &[f32] {
        self.0.storage::<f32>()
    }

    /// The bits of the elements of a tensor of bf16.
    pub(super) fn bits(&self) -> &[u16] {
        let values = self.0.storage::<bf16>();
        // SAFETY: `bf16` is a `u16` and nothing else (`repr(transparent)`).
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
    }

    /// The elements of a tensor of either type.
    pub(super) fn values(&self) -> Values<'_> {
        if is_half(&self.0) { Values::Half(self.bits()) } else { Values::Full(self.as_slice()) }
    }
}

/// Whether a tensor is one of bf16.
pub(super) fn is_half(tensor: &FlexTensor) -> bool {
    tensor.dtype() == DType::BF16
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

/// A tensor of bf16, by the bits of its values.
pub(super) fn half_tensor<const D: usize>(bits: Vec<u16>, shape: [usize; D]) -> FlexTensor {
    let mut bits = std::mem::ManuallyDrop::new(bits);
    // SAFETY: `bf16` is a `u16` and nothing else (`repr(transparent)`), and the vector is given up.
    let values =
        unsafe { Vec::from_raw_parts(bits.as_mut_ptr().cast::<bf16>(), bits.len(), bits.capacity()) };
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A tensor of what an operator made.
pub(super) fn stored_tensor<const D: usize>(stored: Stored, shape: [usize; D]) -> FlexTensor {
    match stored {
        Stored::Full(values) => tensor(values, shape),
        Stored::Half(bits) => half_tensor(bits, shape),
    }
}

/// A tensor of the shape of another.
pub(super) fn like(values: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, other.shape()))
}
