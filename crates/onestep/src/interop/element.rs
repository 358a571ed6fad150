//! The types that numbers have in files.

use half::{bf16, f16};
use safetensors::Dtype;

/// A type of numbers, little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    pub(super) fn of_safetensors(dtype: Dtype) -> Option<Self> {
        Some(match dtype {
            Dtype::F64 => Self::F64,
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::Bf16,
            Dtype::I64 => Self::I64,
            Dtype::I32 => Self::I32,
            Dtype::I16 => Self::I16,
            Dtype::I8 => Self::I8,
            Dtype::U8 => Self::U8,
            Dtype::BOOL => Self::Bool,
            _ => return None,
        })
    }

    /// By the name of PyTorch's class for a piece of memory of this type.
    pub(super) fn of_torch_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The numbers in f32, rounded where they have more digits; bytes left over are left out.
    pub(super) fn values(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|&chunk| value(chunk)).collect()
        }
        match self {
            Self::F64 => each(bytes, |chunk| f64::from_le_bytes(chunk) as f32),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F16 => each(bytes, |chunk| f16::from_le_bytes(chunk).to_f32()),
            Self::Bf16 => each(bytes, |chunk| bf16::from_le_bytes(chunk).to_f32()),
            Self::I64 => each(bytes, |chunk| i64::from_le_bytes(chunk) as f32),
            Self::I32 => each(bytes, |chunk| i32::from_le_bytes(chunk) as f32),
            Self::I16 => each(bytes, |chunk| f32::from(i16::from_le_bytes(chunk))),
            Self::I8 => each(bytes, |chunk| f32::from(i8::from_le_bytes(chunk))),
            Self::U8 | Self::Bool => each(bytes, |[byte]| f32::from(byte)),
        }
    }
}
