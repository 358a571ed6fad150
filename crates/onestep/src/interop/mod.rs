//! Exchange with other systems: their names, layouts and orders, translated at the edge and nowhere else.

mod array_file;
mod choices;
pub(crate) mod diffusers;
mod error;
mod file;
mod foreign;
mod inference;
mod name_map;
mod torch;
mod torch_file;

pub use array_file::ArrayFile;
pub use choices::{Choices, Form};
pub use error::InteropError;
pub(crate) use file::is_weights_file;
pub use file::{WeightsFileError, open_weights, parse_safetensors, read_weights};
pub(crate) use foreign::is_model_folder;
pub use foreign::{Family, ForeignModel};
pub use name_map::{MatchedTensor, Matching, NameMap};
pub use torch::{QkvOrder, from_torch, to_torch};

pub use crate::arrays::NamedArrays;
