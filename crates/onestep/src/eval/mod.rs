//! Judging images by what a trained network sees in them.
//!
//! 1. A [`FeatureNetwork`] turns images into activations.
//! 2. A [`Collection`] keeps of them what metrics need, so that parts of a set add up to the whole, to the bit.
//! 3. The metrics compare two sets: [`frechet_distance`], [`kernel_distance`], [`precision_recall`]; [`ScoreSums::score`] needs
//!    one alone.

mod collection;
mod collection_file;
mod error;
pub mod features;
mod fixed_point;
mod frechet;
mod inception_score;
mod kernel;
mod moments;
mod permutation;
mod precision_recall;
mod rows;
mod statistics;

pub use collection::{Collection, Subject};
pub use error::EvalError;
pub use features::{Activations, FeatureNetwork, Widths};
pub use frechet::{FrechetReference, frechet_distance};
pub use inception_score::{InceptionScore, ScoreSums, Splits};
pub use kernel::{KernelDistance, Subset, kernel_distance, squared_discrepancy, subsets};
pub use moments::{BLOCK, Moments};
pub use permutation::Permutations;
pub use precision_recall::{Manifold, PrecisionRecall, precision_recall};
pub use rows::Rows;
pub use statistics::{Divisor, Statistics};
