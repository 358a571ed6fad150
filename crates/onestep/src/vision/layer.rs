//! The layers that trunks are lists of.

use burn::tensor::{Tensor, activation::relu};
use onestep_kernels::{Pool, PoolOptions, Rectifier, blur_downsample, downsample_mean, pool2d};

use super::Conv;

/// The filter of [`Layer::Blur`].
pub(crate) const BLUR: [f32; 3] = [1.0, 2.0, 1.0];

/// The mean of two by two pixels, for which there is an operator of its own.
const HALF_MEAN: PoolOptions =
    PoolOptions { pool: Pool::Mean, kernel: 2, stride: 2, padding: 0, rectifier: Rectifier::None };

/// One layer, from `[images, height, width, inputs]` to `[images, height', width', outputs]`.
#[derive(Debug)]
pub(crate) enum Layer {
    Conv(Box<Conv>),
    Rectify,
    Pool(PoolOptions),
    /// A blur that keeps every second pixel, see [`onestep_kernels::blur_downsample`].
    Blur,
}

impl Layer {
    /// Applies the layer.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(input),
            Self::Rectify => relu(input),
            Self::Pool(options) if *options == HALF_MEAN => downsample_mean(input),
            Self::Pool(options) => pool2d(input, *options),
            Self::Blur => blur_downsample(input, &BLUR),
        }
    }

    /// This layer for images in f64.
    pub(crate) fn in_f64(&self) -> Self {
        match self {
            Self::Conv(conv) => Self::Conv(conv.in_f64().into()),
            Self::Rectify => Self::Rectify,
            Self::Pool(options) => Self::Pool(*options),
            Self::Blur => Self::Blur,
        }
    }
}

impl From<Conv> for Layer {
    fn from(conv: Conv) -> Self {
        Self::Conv(conv.into())
    }
}
