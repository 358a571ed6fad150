//! The operators on the CPU in f32, written by hand.

pub(crate) mod conv2d;
mod elementwise;
pub(crate) mod memory;
mod norm_act;
pub(crate) mod product;
pub(crate) mod simd;
pub(crate) mod tile;

mod autodiff;
mod forward;
