//! The hot operators of onestep: what a U-Net spends its time in.
//!
//! Everything is channels last: activations are `[batch, height, width, channels]`, convolution weights
//! `[kernel_h, kernel_w, in, out]`, linear weights `[in, out]`. The free functions take and return ordinary burn tensors
//! and are differentiable wherever the tensors are.
//!
//! 1. A free function such as [`conv2d()`] checks the shapes and hands the tensors to [`KernelOps`], burn's backend extension.
//! 2. Its default bodies are composed of burn's own operations, so any backend and any float type works.
//! 3. On the CPU in f32 the bodies and their gradients are written by hand.
//!
//! On the CPU in f32 a result is the same to the bit whatever the number of threads, and what is computed forward for a
//! sample does not depend on the batch it travels in: each output element is one chain of additions whose order depends on
//! nothing but the shape of the sample. (Gradients depend on the batch by their nature, and may choose their method by it.)

pub mod activation;
pub mod attention;
mod blocks;
mod ceiling;
mod composed;
pub mod concat;
pub mod conv2d;
pub mod depthwise;
mod extension;
#[cfg(all(test, target_os = "linux"))]
mod fence;
mod flex;
pub mod linear;
pub mod norm_act;
#[cfg(test)]
mod plain;
pub mod pool;
pub mod profile;
pub mod resample;
pub mod update;

pub use activation::{Activation, Rectifier, silu};
pub use attention::attention;
pub use blocks::Blocks;
pub use ceiling::multiply_adds;
pub use concat::concat;
pub use conv2d::{Conv2dOptions, Convolution, ConvolutionOptions, Norm, Precision, conv2d};
pub use depthwise::{DepthwiseOptions, depthwise_conv2d};
pub use extension::{KernelOps, Optional};
pub use flex::layouts::Layouts;
pub use flex::simd::instructions;
pub use linear::{linear, linear_with};
pub use norm_act::NormActOptions;
pub use norm_act::{norm_act, norm_act_tangent};
pub use pool::{Pool, PoolOptions, pool2d};
pub use resample::{
    blur_downsample, downsample_mean, fir_downsample, fir_upsample, resize_bilinear, upsample_nearest,
};
pub use update::{AdamCoefficients, RootDenominator, adam_update, ema_update};
