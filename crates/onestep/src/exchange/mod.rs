//! Models on their way out: files and folders that other programs read.
//!
//! 1. [`write_state_dict`] writes the weights under the names of the original implementation.
//! 2. [`write_diffusers`] writes a folder that `DiffusionPipeline.from_pretrained` loads.
//! 3. [`model_card`] says what a model is, for people and for catalogues.
//!
//! What is written is there whole or not at all, and takes the place of nothing that it may not
//! ([`Outputs`](crate::data::Outputs)).

mod card;
mod diffusers;
mod error;
mod folder;
mod options;
mod pipeline;
mod state_dict;
mod torch_zip;

pub use card::model_card;
pub use diffusers::write_diffusers;
pub use error::ExportError;
pub use options::ExportOptions;
pub use state_dict::write_state_dict;
