//! Tensors of a card as kernels take and leave them.

use burn::backend::{DType, Shape, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

/// Units of a cube: what WebGPU promises, and cards have.
pub(super) const UNITS: u32 = 256;

/// Numbers that a kernel can count: places are of 32 bits.
const COUNTABLE: usize = u32::MAX as usize;

/// Whether so many numbers all have a place.
pub(super) fn is_countable(numbers: usize) -> bool {
    numbers <= COUNTABLE
}

/// Whether kernels can take all of them: as many numbers as places have names, of a type that cards compute with.
pub(super) fn are_countable<'a>(tensors: impl IntoIterator<Item = &'a CubeTensor>) -> bool {
    tensors.into_iter().all(|tensor| is_countable(tensor.shape().num_elements()) && float(tensor).is_some())
}

/// The type of a tensor's numbers as kernels know it.
fn float(tensor: &CubeTensor) -> Option<ElemType> {
    match tensor.dtype {
        DType::F32 => Some(FloatKind::F32),
        DType::F16 => Some(FloatKind::F16),
        DType::BF16 => Some(FloatKind::BF16),
        _ => None,
    }
    .map(ElemType::Float)
}

/// The same; of tensors that [`are_countable`].
pub(super) fn element(tensor: &CubeTensor) -> ElemType {
    float(tensor).expect("a type that was looked at before")
}

/// The tensor with its numbers in order, one after the other.
pub(super) fn in_order(tensor: &CubeTensor) -> CubeTensor {
    into_contiguous(tensor.clone())
}

/// A tensor without numbers yet, beside another one.
pub(super) fn unwritten(beside: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let shape = shape.into();
    let memory = beside.client.empty(shape.num_elements() * dtype.size());
    CubeTensor::new_contiguous(beside.client.clone(), beside.device.clone(), shape, memory, dtype)
}

/// Numbers of 32 bits that the processor made, beside a tensor.
pub(super) fn words(beside: &CubeTensor, words: impl IntoIterator<Item = u32>) -> CubeTensor {
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    let shape = Shape::from([bytes.len() / 4]);
    let memory = beside.client.create_from_slice(&bytes);
    CubeTensor::new_contiguous(beside.client.clone(), beside.device.clone(), shape, memory, DType::U32)
}

/// Cubes of [`UNITS`] units for so many pieces of work, one a unit.
pub(super) fn cubes(beside: &CubeTensor, pieces: usize) -> (CubeCount, CubeDim) {
    let units = CubeDim::new_1d(UNITS);
    (calculate_cube_count_elemwise(&beside.client, pieces, units), units)
}

/// The sum of a number of each unit of a cube, in one tree; every unit takes part.
#[cube]
pub(super) fn cube_sum(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    sync_cube();
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut active = CUBE_DIM / 2;
    while active > 0 {
        if UNIT_POS < active {
            let other = shared[(UNIT_POS + active) as usize];
            shared[UNIT_POS as usize] += other;
        }
        active /= 2;
        sync_cube();
    }
    shared[0]
}
