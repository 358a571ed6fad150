//! Judging images by what a trained network sees in them.
//!
//! 1. A [`FeatureNetwork`] turns images into activations.
//! 2. A [`Collection`] keeps of them what metrics need, so that parts of a set add up to the whole, to the bit.
//! 3. The metrics compare two sets: [`frechet_distance`], [`kernel_distance`], [`precision_recall()`]; the Inception Score
//!    ([`ScoreSums::score`]) and the likelihood ([`bits_per_dimension`]) need one alone.
//! 4. A [`Protocol`] fixes everything else that changes a number, and [`score()`] says what to call it.

mod collection;
mod collection_file;
mod error;
pub mod features;
mod fixed_point;
mod frechet;
mod images;
mod inception_score;
mod kernel;
mod likelihood;
mod moments;
mod permutation;
mod precision_recall;
mod protocol;
pub mod reference;
mod rows;
mod score;
mod statistics;

pub use collection::{Collection, Subject};
pub use error::EvalError;
pub use features::{Activations, FeatureNetwork, Widths};
pub use frechet::{FrechetReference, frechet_distance};
pub use images::{Generated, Images, Progress, Stored, collect};
pub use inception_score::{InceptionScore, ScoreSums, Splits};
pub use kernel::{KernelDistance, Subset, kernel_distance, squared_discrepancy, subsets};
pub use likelihood::{LikelihoodOptions, Trace, bits_per_dimension, log_density};
pub use moments::{BLOCK, Moments};
pub use permutation::Permutations;
pub use precision_recall::{Manifold, PrecisionRecall, precision_recall};
pub use protocol::Protocol;
pub use reference::Reference;
pub use rows::Rows;
pub use score::{Metric, Score, check_metrics, score};
pub use statistics::{Divisor, Statistics};
