//! Fourth floor: the operators and their gradients on slices of f32, and the values that describe them.

mod amx;
pub(crate) mod attention;
pub(crate) mod concat;
pub(crate) mod convolution;
mod dense;
mod dense_gradient;
mod depthwise;
mod dropout;
pub(crate) mod elementwise;
mod geometry;
mod heads;
mod images;
mod layouts;
pub(crate) mod linear;
mod norm;
pub(crate) mod pool;
pub(crate) mod resample;
mod softmax;
pub(crate) mod update;
mod winograd;

pub use convolution::Convolution;
pub(crate) use depthwise::Depthwise;
pub use depthwise::DepthwiseOptions;
pub use dropout::{DropoutMask, MaskStream};
pub use geometry::Conv2dOptions;
pub(crate) use geometry::Geometry;
pub(crate) use images::{Images, Stored, Values};
pub use layouts::Layouts;
pub(crate) use norm::{Affine, NormGradients, Prologue, Source};
pub use norm::{Moments, Norm, NormActOptions};
pub use pool::{Pool, PoolOptions};
pub(crate) use resample::LinearMap;
pub use update::{AdamCoefficients, RootDenominator};
