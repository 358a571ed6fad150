//! Exchange with other systems: their names, layouts and orders, translated at the edge and nowhere else.

mod array_file;
mod cache;
mod choices;
pub(crate) mod diffusers;
mod edm_arguments;
mod edm_file;
mod edm_model;
mod edm_object;
mod edm_settings;
mod error;
mod file;
mod flax_file;
mod foreign;
mod inference;
mod jax;
mod msgpack;
mod name_map;
mod noise;
mod opening;
mod other_kind;
mod published;
mod torch;
mod torch_file;

pub use array_file::ArrayFile;
pub use cache::{CacheError, Caches};
pub use choices::{Choices, Form};
pub use edm_file::{EdmFile, EdmNetwork};
pub use edm_object::{EdmObject, PlainValue};
pub use edm_settings::{EdmForm, EdmSettings};
pub use error::InteropError;
pub(crate) use file::is_weights_file;
pub use file::{WeightsFileError, open_weights, parse_safetensors, read_weights};
pub use flax_file::FlaxFile;
pub use foreign::{Family, ForeignModel};
pub use inference::song_from_jax;
pub use name_map::{MatchedTensor, Matching, NameMap};
pub(crate) use opening::{is_model_folder, looks_like_model};
pub use published::Published;
pub use torch::{QkvOrder, from_torch, to_torch};

pub use crate::arrays::NamedArrays;
