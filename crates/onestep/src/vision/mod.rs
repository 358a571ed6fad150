//! Classifiers that were trained to see, up to the last of their layers: what they are made of and where their weights come from.
//!
//! The networks themselves are elsewhere: [`perceptual`](crate::perceptual) compares two images by what a trunk makes of them,
//! the feature networks of [`eval`](crate::eval::features) compare sets of images. Both put them together from these parts:
//!
//! 1. Arrays of a file, each taken by its published name and shape, none left over.
//! 2. Layers in our layouts, with the batch norms of training multiplied into their weights.
//! 3. Files of weights: found by the names they are published under, opened, and named by their digest.

mod affine;
mod arrays;
mod conv;
mod error;
mod features;
pub(crate) mod included;
mod layer;
mod weights;

pub(crate) use affine::Affine;
pub(crate) use arrays::Arrays;
pub(crate) use conv::{Conv, Depthwise};
pub use error::VisionError;
pub(crate) use features::{Linear, global_mean, values};
pub(crate) use layer::{BLUR, Layer};
pub(crate) use weights::{builtin, digest, find, fitted};
