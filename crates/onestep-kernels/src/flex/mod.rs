//! The operators on the CPU in f32, written by hand.
//!
//! From the inside out: [`simd`] chooses the instruction set, [`tile`], [`norm_loops`] and `winograd::transforms` hold the
//! inner loops, [`kernels`] is the table of them for each set; [`panels`], [`pairs`], [`product`], [`dense`] and [`outer`] cut
//! matrices into what they run over, [`threads`] shares it out, [`elementwise`] does the rest; the operators are written in
//! those, 3x3 convolutions by [`winograd`]'s method; [`forward`] and [`autodiff`] are the extension for Flex and for autodiff
//! over Flex.

pub(crate) mod attention;
mod autodiff;
mod concat;
pub(crate) mod conv2d;
mod convolution;
mod dense;
mod depthwise;
mod elementwise;
mod forward;
mod kernels;
pub(crate) mod layouts;
mod linear;
mod memory;
mod norm_act;
mod norm_loops;
mod outer;
mod pairs;
mod panels;
mod pool;
mod product;
mod resample;
pub(crate) mod simd;
mod threads;
mod tile;
mod update;
mod winograd;
