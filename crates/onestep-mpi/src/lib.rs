//! Ranks on several machines: onestep's [`Communicator`](onestep::distributed::Communicator) by MPI.
//!
//! 1. [`launch`] tells whether a launcher has started this process as one of several.
//! 2. `Mpi` (feature `mpi`) is a rank. One thread of its own makes every call of MPI; it answers heartbeats while the rank computes.
//! 3. [`Beats`] and [`Patience`] say when another rank is lost: it is not heard of any more, or it does not come.
//!
//! MPI itself never ends a job whose ranks wait for one that has panicked, hangs, or is behind a cut cable. Here a lost rank is found within
//! the time that a [`Settings`] allows, and whoever started the rank is told, whose duty it is to end the process: the launcher ends the
//! others then.

mod beats;
pub mod launch;
mod patience;
mod settings;

#[cfg(feature = "mpi")]
mod engine;
#[cfg(feature = "mpi")]
mod rank;

pub use beats::Beats;
pub use patience::Patience;
#[cfg(feature = "mpi")]
pub use rank::{Ending, Mpi, MpiError};
pub use settings::{Lost, Settings};
