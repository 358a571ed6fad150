//! Judging images by what a trained network sees in them.
//!
//! 1. A [`FeatureNetwork`] turns images into activations.
//! 2. A [`Collection`] keeps of them what metrics need, so that parts of a set add up to the whole, to the bit.
//! 3. The metrics compare two sets: [`frechet_distance`], [`kernel_distance`], [`precision_recall()`]; the Inception Score
//!    ([`ScoreSums::score`]) and the likelihood ([`bits_per_dimension`]) need one alone; [`nearest()`] asks whether images repeat those of
//!    training.
//! 4. A [`Protocol`] fixes everything else that changes a number, and [`score()`] says what to call it.
//! 5. A [`Judge`] has a network, a protocol and metrics, and does all of this: [`frechet()`] in one call.

mod chart;
mod collecting;
mod collection;
mod collection_file;
mod comparison;
pub mod curve;
mod data_likelihood;
mod drawn;
mod error;
pub mod features;
mod fixed_point;
mod frechet;
mod images;
mod inception_score;
mod judge;
mod keep;
mod kernel;
#[cfg(feature = "builtin")]
pub mod legality;
mod likelihood;
mod memorization;
mod metric;
mod moments;
mod pairs;
mod permutation;
mod precision_recall;
mod protocol;
pub mod reference;
mod rows;
mod sample_kind;
mod score;
mod statistics;
mod stored;
mod weights;

pub use collection::{Collection, Subject};
pub use comparison::{Comparison, Side, Warning};
pub use data_likelihood::{DataLikelihood, likelihood, likelihood_spec};
pub use error::EvalError;
pub use features::{Activations, FeatureNetwork, Widths};
pub use frechet::{FrechetReference, frechet_distance};
pub use images::{AskedClasses, Images, Made, check_images, number_ranges};
pub use inception_score::{InceptionScore, ScoreSums, Splits};
pub use judge::{Judge, frechet};
pub use keep::{Keep, holds_moments_alone};
pub use kernel::{KernelDistance, Subset, kernel_distance, squared_discrepancy, subsets};
pub use likelihood::{LikelihoodOptions, Trace, bits_per_dimension, log_density};
pub use memorization::{Nearer, Nearest, Neighbor, nearest};
pub use metric::{Metric, Score};
pub use moments::{BLOCK, Moments};
pub use pairs::{open_images, pair_distances};
pub use permutation::Permutations;
pub use precision_recall::{Manifold, PrecisionRecall, precision_recall};
pub use protocol::Protocol;
pub use reference::Reference;
pub use rows::Rows;
pub use sample_kind::{SampleKind, sample_kind};
pub use score::{check_metrics, score};
pub use statistics::{Divisor, Statistics};
pub use stored::{Selection, Stored};
pub use weights::fetched;
