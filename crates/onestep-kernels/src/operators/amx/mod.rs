//! Products of bf16 in tiles: convolutions, their gradients, attention.

mod attention;
mod attention_gradient;
mod forward;
mod packing;
#[cfg(test)]
mod tests;
mod weight_gradient;

pub(crate) use attention::attention;
pub(crate) use attention_gradient::head_gradients;
pub(crate) use forward::{TileEpilogue, forward, suits};
pub(crate) use packing::TileSource;
pub(crate) use weight_gradient::{suits_gradient, weight_gradient};
