//! Judging images by what a trained network sees in them.
//!
//! 1. A [`FeatureNetwork`] turns images into activations.

mod error;
pub mod features;

pub use error::EvalError;
pub use features::{Activations, FeatureNetwork, Widths};
