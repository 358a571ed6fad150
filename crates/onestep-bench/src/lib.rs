//! How fast the networks and operators of onestep are: what is run, how the time is taken, and how it is added up what the
//! operators did. Nothing is printed.
//!
//! 1. A [`Subject`] is the network to measure, with weights and a way to train it.
//! 2. [`passes`] runs its evaluation, its gradient and its training step.
//! 3. [`Timing`]s are the times of its runs, [`Conditions`] the most that the processor could do meanwhile.
//! 4. [`Row`]s are the operators of one run added up; [`single`] runs them alone.
//! 5. [`features`] are the networks that images are judged by.
//! 6. [`Report`], [`FeatureReport`] and [`OperatorReport`] are what was measured, as text for people and as JSON for programs.
//! 7. [`AutoPrecision`] says which arithmetic is taken here, and whether it is the faster one.
//! 8. [`dump()`] writes what was measured for others to compare with.

mod conditions;
mod dump;
mod error;
mod feature_report;
pub mod features;
mod images;
mod operator_report;
pub mod passes;
mod precisions;
mod report;
mod rows;
pub mod single;
mod subject;
mod table;
mod timing;

pub use conditions::Conditions;
pub use dump::dump;
pub use error::{BenchError, Result};
pub use feature_report::FeatureReport;
pub use images::RandomImages;
pub use operator_report::OperatorReport;
pub use passes::{Case, Measured};
pub use precisions::{AutoPrecision, Precisions};
pub use report::{Passes, Report};
pub use rows::Row;
pub use subject::{NETWORKS, Subject};
pub use table::human_bytes;
pub use timing::Timing;
