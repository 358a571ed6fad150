//! The front door: open a model, draw from it, edit with it.
//!
//! 1. [`open()`] gives a [`Model`]: from the folder of a run, a model file, or a function of one's own
//!    ([`Model::from_fn`]). It knows how it wants to be drawn from.
//! 2. [`Model::draw`] draws from it, a [`SampleWriter`] puts samples into files as they come, and a [`DrawRecord`] makes the same
//!    samples again.
//! 3. [`Model::edit`] edits with it, and an [`EditRecord`] makes the same pictures again.
//! 4. [`Model::search_levels`] seeks the noise levels that suit it.

mod class;
mod definite_edits;
mod draw;
mod draw_record;
mod edit;
mod edit_record;
mod guidance;
mod model;
mod open;
mod precision;
mod sample_folder;
mod sample_names;
#[cfg(feature = "formats")]
mod sample_parts;
mod sample_writer;
mod search;

pub use definite_edits::{DefiniteEdits, Edited};
pub use draw::{DefiniteDraw, Draw};
pub use draw_record::DrawRecord;
pub use edit::Edits;
pub use edit_record::{EditRecord, ModelFile, ReopenedEdit};
pub use model::{Model, Origin};
pub use open::{OpenOptions, open};
pub use sample_writer::SampleWriter;
pub use search::{LevelSearch, Trial};
