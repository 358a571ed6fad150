//! Exchange with other systems: their names, layouts and orders, translated at the edge and nowhere else.

mod element;
mod file;
mod torch;
mod torch_file;
mod torch_pickle;

use std::collections::BTreeMap;

pub use file::{WeightsFileError, parse_safetensors, read_weights};
pub use torch::{from_torch, to_torch};

/// Arrays by name: shape and values in row-major order, as read from a file or about to be written.
pub type NamedArrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;
