//! The operators on the CPU in f32, written by hand.
//!
//! From the inside out: [`simd`] chooses the instruction set, [`tile`] holds the two inner loops, [`panels`], [`product`] and
//! [`outer`] cut matrices into what they run over, [`elementwise`] does the rest; the operators are written in those;
//! [`forward`] and [`autodiff`] are the extension for Flex and for autodiff over Flex.

pub(crate) mod attention;
mod autodiff;
pub(crate) mod conv2d;
mod convolution;
mod dense;
mod elementwise;
mod forward;
pub(crate) mod layouts;
mod linear;
mod memory;
mod norm_act;
mod norm_loops;
mod outer;
mod panels;
mod product;
mod resample;
pub(crate) mod simd;
mod threads;
mod tile;
mod update;
mod winograd;
