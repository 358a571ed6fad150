//! Layers: each knows the names of its parameters and how to apply them; none holds a number.
//!
//! The work itself is done by `onestep-kernels`.

mod conv;
mod dropout;
mod linear;
mod norm;

pub use conv::Conv2d;
pub(super) use conv::ConvolutionOn;
pub use dropout::Dropout;
pub use linear::Linear;
pub use norm::GroupNorm;
use norm::NormWith;

use crate::model::Init;

/// How the weight and the bias of a layer start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// PyTorch's default, weight and bias uniform with bound 1/√fan_in; also EDM's `kaiming_uniform` with gain √(1/3).
    FanIn,
    /// Weight and bias zero: a layer that adds nothing at first.
    Zeros,
    /// Weight zero, one number for the bias: a layer that gives that number at first.
    At {
        /// The number.
        bias: f64,
    },
    /// Xavier's uniform weight times `gain`, zero bias.
    Xavier {
        /// Factor of the bound.
        gain: f64,
    },
    /// Unit normal weight, zero bias.
    Normal,
}

impl Start {
    fn weight(self, fan_in: usize, fan_out: usize) -> Init {
        match self {
            Self::FanIn => Init::fan_in(fan_in),
            Self::Zeros | Self::At { .. } => Init::Zeros,
            Self::Xavier { gain } => Init::xavier_uniform(fan_in, fan_out, gain),
            Self::Normal => Init::Normal { std: 1.0 },
        }
    }

    fn bias(self, fan_in: usize) -> Init {
        match self {
            Self::FanIn => Init::fan_in(fan_in),
            Self::At { bias } => Init::Constant { value: bias },
            Self::Zeros | Self::Xavier { .. } | Self::Normal => Init::Zeros,
        }
    }
}
