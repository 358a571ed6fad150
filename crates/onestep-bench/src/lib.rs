//! How fast the networks and operators of onestep are: what is run, how the time is taken, and how it is added up what the
//! operators did. Nothing is printed.
//!
//! 1. A [`Subject`] is the network to measure, with weights and a way to train it.
//! 2. [`passes`] runs its evaluation, its gradient and its training step.
//! 3. [`timing`] takes the time, and knows the most that the processor can do ([`ceiling`]).
//! 4. [`Row`]s are the operators of one run added up; [`single`] runs them alone.
//! 5. [`features`] are the networks that images are judged by.
//! 6. [`dump()`] writes what was measured for others to compare with.

mod conditions;
mod dump;
mod error;
pub mod features;
mod images;
pub mod passes;
mod rows;
pub mod single;
mod subject;
mod timing;

pub use conditions::Conditions;
pub use dump::dump;
pub use error::{BenchError, Result};
pub use images::RandomImages;
pub use passes::{Case, Measured};
pub use rows::{Row, by_kind};
pub use subject::{NETWORKS, Subject};
pub use timing::{Timing, ceiling, peak_memory_bytes, repeat};
