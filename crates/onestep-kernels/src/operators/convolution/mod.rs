//! Convolution and its gradients.
//!
//! 3x3 convolutions go by Winograd's method where that is worth while, 1x1 convolutions are products of rows that lie one
//! after the other, and all others are gathered. For those no matrix of patches is built: a table says for every tap and output
//! pixel where the input pixel lies, and the inner loop gathers from there. The data gradient is the same product with another
//! table, in which pixels are ordered by their phase modulo the stride, so that the taps that miss a phase are skipped by whole
//! tiles.

mod arguments;
mod forward;
mod gradients;
#[cfg(test)]
mod tests;

pub use arguments::Convolution;
pub(crate) use forward::tiles_for;
pub(crate) use gradients::{bias_gradient, input_gradient, scale_with_bias_gradient, weight_gradient};
