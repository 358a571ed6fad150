//! Which type a card multiplies in.

use burn::backend::DType;
use burn_cubecl::CubeDevice;
use cubecl::ir::{ElemType, FloatKind};

use crate::simd::Precision;

/// Channels of a convolution that units for matrices take: a multiple of it.
const ALIGNED: usize = 8;

/// The type of half the bits that a precision asks for, where the card has units that multiply matrices of it and add up in f32.
pub(super) fn half(precision: Precision, device: &CubeDevice) -> Option<DType> {
    (precision == Precision::Bf16 && has_bf16(device)).then_some(DType::BF16)
}

/// The same for a convolution of a weight `[height, width, in, out]`: none where the units do not take its channels, since what burn's
/// tuner then has left adds up in the type of the products.
pub(super) fn half_for(
    precision: Precision,
    device: &CubeDevice,
    [_, _, inputs, outputs]: [usize; 4],
) -> Option<DType> {
    let aligned = inputs.is_multiple_of(ALIGNED) && outputs.is_multiple_of(ALIGNED);
    if aligned { half(precision, device) } else { None }
}

/// Whether a card has units that multiply matrices of bf16 and add up in f32.
pub(in crate::tensor) fn has_bf16(device: &CubeDevice) -> bool {
    let [bf16, f32] = [FloatKind::BF16, FloatKind::F32].map(ElemType::Float);
    let client = device.client();
    let units = &client.properties().features.matmul;
    let adds_in_f32 = |(a, b, sum)| a == bf16 && b == bf16 && sum == f32;
    units.cmma.iter().chain(&units.mma).any(|unit| adds_in_f32((unit.a_type, unit.b_type, unit.cd_type)))
}
