//! The operators on the CPU in f32, written by hand.

pub(crate) mod conv2d;
pub(crate) mod memory;
pub(crate) mod product;
pub(crate) mod simd;
pub(crate) mod tile;

mod autodiff;
mod forward;
