//! The arithmetic of products, as it is typed.

use clap::ValueEnum;
use onestep::model::{Precision, PrecisionChoice};

/// Numbers that a network multiplies, or the choice between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ChoiceName {
    /// bf16 on processors that are faster in it, otherwise f32; `onestep doctor` tries it.
    #[default]
    Auto,
    /// 32-bit floating point.
    F32,
    /// Rounded to 16-bit brain floating point, added up in f32. Processors that are not faster in it compute f32.
    Bf16,
}

impl ChoiceName {
    /// What the library calls it.
    pub fn choice(self) -> PrecisionChoice {
        match self {
            Self::Auto => PrecisionChoice::Auto,
            Self::F32 => Precision::F32.into(),
            Self::Bf16 => Precision::Bf16.into(),
        }
    }
}

/// Numbers that a network is trained in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionName {
    /// 32-bit floating point.
    F32,
    /// Rounded to 16-bit brain floating point, added up in f32. Processors that are not faster in it compute f32.
    Bf16,
}

impl PrecisionName {
    /// What the library calls it.
    pub fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
        }
    }
}
