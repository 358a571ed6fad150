//! Exchange with other systems: their names, layouts and orders, translated at the edge and nowhere else.

mod file;
mod torch;
mod torch_file;

pub use file::{WeightsFileError, parse_safetensors, read_weights};
pub use torch::{from_torch, to_torch};

pub use crate::arrays::NamedArrays;
