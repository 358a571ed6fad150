//! The types that numbers have in files.

use burn::tensor::{bf16, f16};

/// A type of numbers, little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
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
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::U8,
        Self::Bool,
    ];

    /// The name that safetensors have for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        }
    }

    /// Bytes of a number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The numbers in f32, rounded where they have more digits; bytes left over are left out.
    pub(crate) fn values(self, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::with_capacity(bytes.len() / self.size());
        self.append(bytes, &mut values);
        values
    }

    /// Appends the numbers, as [`Element::values`] gives them.
    pub(crate) fn append(self, bytes: &[u8], values: &mut Vec<f32>) {
        fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, value: impl Fn([u8; N]) -> f32) {
            values.extend(bytes.as_chunks().0.iter().map(|&chunk| value(chunk)));
        }
        match self {
            Self::F64 => each(bytes, values, |chunk| f64::from_le_bytes(chunk) as f32),
            Self::F32 => each(bytes, values, f32::from_le_bytes),
            Self::F16 => each(bytes, values, |chunk| f16::from_le_bytes(chunk).to_f32()),
            Self::Bf16 => each(bytes, values, |chunk| bf16::from_le_bytes(chunk).to_f32()),
            Self::I64 => each(bytes, values, |chunk| i64::from_le_bytes(chunk) as f32),
            Self::I32 => each(bytes, values, |chunk| i32::from_le_bytes(chunk) as f32),
            Self::I16 => each(bytes, values, |chunk| f32::from(i16::from_le_bytes(chunk))),
            Self::I8 => each(bytes, values, |chunk| f32::from(i8::from_le_bytes(chunk))),
            Self::U8 | Self::Bool => each(bytes, values, |[byte]| f32::from(byte)),
        }
    }
}
