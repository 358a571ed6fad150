//! The operators on the CPU in f32, written by hand.

mod attention;
pub(crate) mod conv2d;
mod elementwise;
mod linear;
pub(crate) mod memory;
mod norm_act;
pub(crate) mod product;
mod resample;
pub(crate) mod simd;
pub(crate) mod tile;
mod update;

mod autodiff;
mod forward;
