//! Models of other programs come in, and models go out in their formats.
//!
//! 1. [`Import`] looks at a file or folder of another program, says what it is, and writes it as a model file. Where nothing has to be
//!    said, [`crate::open`] and everything else take such files directly.
//! 2. [`ExportFormat`] is the one door for all that goes out:
//!    [`write_state_dict`] writes the weights under the names of the original implementation.
//!    [`write_diffusers`] writes a folder that `DiffusionPipeline.from_pretrained` loads, [`onnx`] ONNX files.
//! 3. [`model_card`] says what a model is, for people and for catalogues.
//!
//! What is written is there whole or not at all, and takes the place of nothing that it may not
//! ([`Outputs`](crate::data::Outputs)).

mod card;
mod diffusers;
mod error;
mod export;
mod folder;
mod import;
pub mod onnx;
mod options;
mod pipeline;
mod state_dict;
mod torch_zip;

pub use card::model_card;
pub use diffusers::write_diffusers;
pub use error::ExportError;
pub use export::ExportFormat;
pub use import::Import;
pub use options::ExportOptions;
pub use state_dict::write_state_dict;
