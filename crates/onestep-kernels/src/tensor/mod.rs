//! Fifth floor: burn. The operators as functions on tensors, as an extension of burn's backends, and as operations that
//! autodiff knows.
//!
//! 1. A function checks the shapes and hands the tensors to [`KernelOps`](extension::KernelOps).
//! 2. Its default bodies are [`composed`] of burn's own operations.
//! 3. [`flex`] and [`autodiff`] send what is f32 on the CPU to the operators of the floor below, and [`profile`] tells which
//!    of them ran.
//! 4. `card` has kernels of its own for graphics cards, where the build knows any.

mod activation;
mod attention;
mod autodiff;
#[cfg(feature = "card")]
mod card;
mod composed;
mod concat;
mod convolution;
mod depthwise;
mod device;
mod dropout;
mod extension;
mod flex;
mod linear;
mod norm;
mod pool;
pub mod profile;
mod read;
mod resample;
mod slices;
mod storage;
mod update;

pub use activation::silu;
pub use attention::attention;
pub use concat::concat;
pub use convolution::{Convolution, conv2d};
pub use depthwise::depthwise_conv2d;
pub use device::{DeviceChoice, DeviceError, Platform, device_name, multiplies_bf16};
pub use dropout::dropout;
pub use linear::{linear, linear_with};
pub use norm::{Norm, norm_act, norm_act_tangent};
pub use pool::pool2d;
pub use read::{DeviceFailure, read};
pub use resample::{
    blur_downsample, downsample_mean, fir_downsample, fir_upsample, resize_bilinear, upsample_nearest,
};
pub use update::{adam_update, ema_update, square_sums};
