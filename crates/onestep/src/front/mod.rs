//! The front door: open a model, draw from it, edit with it.
//!
//! 1. [`open()`] gives a [`Model`]: from the folder of a run, a model file, or a function of one's own
//!    ([`Model::from_fn`]). It knows how it wants to be drawn from.
//! 2. [`Model::draw`] draws from it.

mod draw;
mod model;
mod open;

pub use draw::{DefiniteDraw, Draw};
pub use model::{Model, Origin};
pub use open::{OpenOptions, open};
