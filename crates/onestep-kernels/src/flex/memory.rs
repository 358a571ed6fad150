//! Storage of Flex tensors in and out, and buffers written by several threads.

#![allow(unsafe_code, reason = "outputs are filled before they are read, and threads write disjoint parts")]

use std::cell::RefCell;

use burn::backend::flex::FlexTensor;
use burn::backend::{DType, TensorData, TensorMetadata};

use super::threads::each;

/// A tensor whose storage is exactly its elements in order.
pub(crate) struct Contiguous(FlexTensor);

impl Contiguous {
    /// Copies only if the tensor is a view.
    pub(crate) fn new(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        self.0.storage::<f32>()
    }
}

pub(crate) fn is_f32<'a>(tensors: impl IntoIterator<Item = &'a FlexTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype() == DType::F32)
}

pub(crate) fn dims<const D: usize>(tensor: &impl TensorMetadata) -> [usize; D] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A tensor of the shape of another.
pub(crate) fn like(values: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, other.shape()))
}

/// A pointer that tasks on several threads write through, each to its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: only `Shared::slice` and `Shared::pointer` hand it out, whose callers promise disjoint elements.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// Shares a buffer among the tasks that run until it is used otherwise.
    pub(crate) fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// # Safety
    ///
    /// Within the buffer, and no other task touches these elements meanwhile.
    #[allow(clippy::mut_from_ref, reason = "the caller promises that no two slices overlap")]
    pub(crate) unsafe fn slice(&self, start: usize, length: usize) -> &mut [f32] {
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), length) }
    }

    /// # Safety
    ///
    /// Within the buffer; what is written through it belongs to the caller alone.
    pub(crate) unsafe fn pointer(&self, start: usize) -> *mut f32 {
        unsafe { self.0.add(start) }
    }
}

/// Elements below which waking another thread costs more than it saves.
pub(crate) const SMALL: usize = 32 * 1024;

/// Makes a vector of `length` by running `tasks` tasks, which together must write every element.
///
/// # Safety
///
/// The tasks write every element between them, none twice at a time, and read none before it is written.
pub(crate) unsafe fn filled(length: usize, tasks: usize, task: impl Fn(usize, Shared) + Sync) -> Vec<f32> {
    // SAFETY: the caller's promise.
    let [values] = unsafe { filled_each([length], tasks, |index, [shared]| task(index, shared)) };
    values
}

/// Makes several vectors at once; see [`filled`].
///
/// # Safety
///
/// As for [`filled`], for each of them.
pub(crate) unsafe fn filled_each<const N: usize>(
    lengths: [usize; N],
    tasks: usize,
    task: impl Fn(usize, [Shared; N]) + Sync,
) -> [Vec<f32>; N] {
    let mut vectors = lengths.map(Vec::<f32>::with_capacity);
    let shared = vectors.each_mut().map(|values| Shared(values.as_mut_ptr()));
    each(tasks, |index| task(index, shared));
    for (values, length) in vectors.iter_mut().zip(lengths) {
        // SAFETY: the caller's tasks have written all of it.
        unsafe { values.set_len(length) };
    }
    vectors
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends a buffer of this thread, of unspecified content; loans may be nested.
pub(crate) fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = body(&mut buffer[..length]);
    SCRATCH.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}
