//! Products of bf16 in tiles: convolutions, their gradients, attention.

mod attention;
mod forward;
mod packing;
#[cfg(test)]
mod tests;
mod weight_gradient;

pub(crate) use attention::attention;
pub(crate) use forward::{TileEpilogue, forward, suits};
pub(crate) use packing::TileSource;
pub(crate) use weight_gradient::{suits_gradient, weight_gradient};
