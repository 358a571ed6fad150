//! The folder of a run: everything a run is, on disk, whole or not at all.
//!
//! 1. A [`RunFolder`] is opened by one process at a time ([`RunLock`]).
//! 2. [`RunFolder::save`] writes a [`Checkpoint`] into a temporary folder, forces it to disk, renames it, and only then
//!    says so in the file `latest`. A process that is killed, a full disk or a loss of power leaves the checkpoint before.
//! 3. [`RunFolder::load`] gives back the newest checkpoint whose every byte is as it was saved.
//!
//! The same state always gives the same bytes. Models are read from it by [`crate::checkpoint`].

mod checkpoint;
mod lock;
mod run_folder;
mod step;

pub use checkpoint::Checkpoint;
pub use lock::RunLock;
pub use run_folder::{Restored, RunFolder, Saved};
