//! The hot operators of onestep: what a U-Net spends its time in.
//!
//! Everything is channels last: activations are `[batch, height, width, channels]`, convolution weights
//! `[kernel_h, kernel_w, in, out]`, linear weights `[in, out]`. The free functions take and return ordinary burn tensors
//! and are differentiable wherever the tensors are.
//!
//! 1. A free function such as [`conv2d()`] checks the shapes and hands the tensors to an extension of burn's backends.
//! 2. Its default bodies are composed of burn's own operations, so any backend and any float type works.
//! 3. On the CPU in f32 the bodies and their gradients are written by hand.
//!
//! On the CPU in f32 a result is the same to the bit whatever the number of threads, and what is computed forward for a
//! sample does not depend on the batch it travels in: each output element is one chain of additions whose order depends on
//! nothing but the shape of the sample. (Gradients depend on the batch by their nature, and may choose their method by it.)
//!
//! The crate has five floors, and none uses what lies above it: instruction sets (`simd`), inner loops (`loops`), the cutting of
//! work (`blocking`), operators on slices (`operators`), and burn (`tensor`).

mod blocking;
mod blocks;
#[cfg(all(test, target_os = "linux"))]
mod fence;
mod loops;
mod operators;
mod pages;
#[cfg(test)]
mod plain;
mod simd;
mod tensor;

pub use blocks::Blocks;
pub use loops::{Activation, Rectifier, multiply_adds, philox};
pub use operators::{
    AdamCoefficients, Conv2dOptions, DepthwiseOptions, DropoutMask, Layouts, MaskStream, Moments,
    NormActOptions, Pool, PoolOptions, RootDenominator,
};
pub use simd::{Precision, instructions};
pub use tensor::{
    Convolution, DeviceChoice, DeviceError, DeviceFailure, Norm, Platform, adam_update, attention,
    blur_downsample, concat, conv2d, depthwise_conv2d, device_name, downsample_mean, dropout, ema_update,
    fir_downsample, fir_upsample, linear, linear_with, multiplies_bf16, norm_act, norm_act_tangent, pool2d,
    profile, read, resize_bilinear, silu, square_sums, upsample_nearest,
};
