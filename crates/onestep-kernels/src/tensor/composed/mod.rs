//! The operators composed of burn's own operations: correct on any backend and in any float type, and differentiable where
//! the backend is.

mod attention;
mod convolution;
mod dtype;
mod layers;
mod norm;
mod update;

pub(super) use attention::attention;
#[cfg(feature = "card")]
pub(super) use attention::attention_in;
#[cfg(feature = "card")]
pub(super) use convolution::conv2d;
pub(super) use convolution::{convolution, depthwise_conv2d, pool2d, rectify};
#[cfg(feature = "card")]
pub(super) use dtype::to_dtype;
pub(super) use layers::{concat, dropout, linear, resample, silu};
pub(super) use norm::{norm_act, norm_act_tangent};
pub(super) use update::{adam_update, ema_update, square_sums};
