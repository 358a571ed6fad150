//! Bytes and values: the only place that knows that a pixel is a byte.
//!
//! Everywhere else an image is `f32` in [-1, 1], `[height, width, channels]`. A [`Pixels`] is an
//! image still (or again) in bytes: what decoders return and encoders take.

use ::image::imageops::{self, FilterType};
use ::image::{ImageBuffer, Luma, Rgb};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{DataError, ImageShape};
use crate::size::ImageSize;

/// The longest side of an image that is decoded or made.
pub const MAX_SIDE: usize = 16_384;

/// How values in [-1, 1] become bytes.
///
/// Published samplers do not agree, and a metric can tell the difference, so the rule has a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rounding {
    /// `(x + 1) * 127.5`, clamped, fraction dropped: what the consistency-model sampler writes.
    #[default]
    Truncate,
    /// `x * 127.5 + 128`, clipped, fraction dropped: EDM's rule, which rounds to nearest.
    Edm,
}

/// Returns the values in [-1, 1] that bytes stand for: `x / 127.5 - 1`.
pub fn values_from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|&byte| f32::from(byte) / 127.5 - 1.0).collect()
}

/// Returns the bytes of values in [-1, 1]; values outside are clamped, and NaN becomes 0.
///
/// # Source
///
/// [`Rounding::Truncate`]: `image_sample.py` of openai/consistency_models.
/// [`Rounding::Edm`]: `generate.py` of NVlabs/edm. Both in `f32`, as there, so that the bytes
/// are equal and not merely close.
///
/// # Examples
///
/// ```
/// use onestep::data::image::{Rounding, bytes_from_values};
/// assert_eq!(bytes_from_values(&[-1.0, 0.0, 1.0], Rounding::Truncate), [0, 127, 255]);
/// assert_eq!(bytes_from_values(&[-1.0, 0.0, 1.0], Rounding::Edm), [0, 128, 255]);
/// ```
pub fn bytes_from_values(values: &[f32], rounding: Rounding) -> Vec<u8> {
    // A float cast to `u8` drops the fraction, like the tensor cast of the references.
    let byte = match rounding {
        Rounding::Truncate => |x: f32| ((x + 1.0) * 127.5).clamp(0.0, 255.0) as u8,
        Rounding::Edm => |x: f32| (x * 127.5 + 128.0).clamp(0.0, 255.0) as u8,
    };
    values.iter().map(|&x| byte(x)).collect()
}

/// The deviation for values in [-1, 1] of noise whose deviation is given in bytes, 0 to 255.
pub fn deviation_from_bytes(bytes: f64) -> f64 {
    bytes / 127.5
}

/// The deviation in bytes, 0 to 255, of noise whose deviation is given for values in [-1, 1].
pub fn bytes_from_deviation(deviation: f64) -> f64 {
    deviation * 127.5
}

/// Mirrors an image left to right, in place, whether of values or of bytes.
///
/// # Shapes
///
/// `values`: `[height, width, channels]`, as `shape` says.
pub fn flip_horizontal<T>(values: &mut [T], shape: ImageShape) {
    let row_len = shape.width * shape.channels;
    if row_len == 0 {
        return;
    }
    for row in values.chunks_exact_mut(row_len) {
        for column in 0..shape.width / 2 {
            let mirrored = shape.width - 1 - column;
            for channel in 0..shape.channels {
                row.swap(column * shape.channels + channel, mirrored * shape.channels + channel);
            }
        }
    }
}

/// Images of one shape as a tensor of values in [-1, 1], what models take.
///
/// # Shapes
///
/// Returns `[n, height, width, channels]`.
///
/// # Errors
///
/// [`DataError::Setting`] if there are none, or not all are of one shape.
pub fn tensor_from_pixels(images: &[Pixels], device: &Device) -> Result<Tensor<4>, DataError> {
    let bad = |reason: String| Err(DataError::Setting { setting: "images", reason });
    let Some(shape) = images.first().map(Pixels::shape) else { return bad("there are none".into()) };
    if let Some(other) = images.iter().find(|image| image.shape() != shape) {
        return bad(format!("must be of one shape, not {shape} and {}", other.shape()));
    }
    let values = images.iter().flat_map(Pixels::values).collect();
    let ImageShape { height, width, channels } = shape;
    Ok(Tensor::from_data(TensorData::new(values, [images.len(), height, width, channels]), device))
}

/// The images in bytes that a tensor of values in [-1, 1] holds, one a sample.
///
/// # Shapes
///
/// `images`: `[n, height, width, channels]` with 1 or 3 channels; values outside [-1, 1] are clamped.
///
/// # Errors
///
/// As [`Pixels::new`].
pub fn pixels_from_tensor(images: Tensor<4>, rounding: Rounding) -> Result<Vec<Pixels>, DataError> {
    let [_, height, width, channels] = images.dims();
    let shape = ImageShape { height, width, channels };
    let values: Vec<f32> = images.into_data().iter::<f32>().collect();
    values
        .chunks_exact(shape.n_values().max(1))
        .map(|values| Pixels::from_values(values, shape, rounding))
        .collect()
}

/// An image in bytes, `[height, width, channels]`, grey or RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    shape: ImageShape,
    bytes: Vec<u8>,
}

impl Pixels {
    /// Wraps bytes that are already in order.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] if the sides are not 1 to [`MAX_SIDE`], the channels not 1 or 3, or
    /// the number of bytes does not follow from them.
    pub fn new(shape: ImageShape, bytes: Vec<u8>) -> Result<Self, DataError> {
        let sides = 1..=MAX_SIDE;
        let drawable =
            sides.contains(&shape.height) && sides.contains(&shape.width) && matches!(shape.channels, 1 | 3);
        if !drawable || bytes.len() != shape.n_values() {
            let ImageShape { height, width, channels } = shape;
            return Err(DataError::Setting {
                setting: "shape",
                reason: format!(
                    "needs sides of 1 to {MAX_SIDE}, 1 or 3 channels and as many bytes, \
                     got [{height}, {width}, {channels}] and {} bytes",
                    bytes.len()
                ),
            });
        }
        Ok(Self { shape, bytes })
    }

    /// Rounds values in [-1, 1] to an image.
    ///
    /// # Errors
    ///
    /// As [`Pixels::new`].
    pub fn from_values(values: &[f32], shape: ImageShape, rounding: Rounding) -> Result<Self, DataError> {
        Self::new(shape, bytes_from_values(values, rounding))
    }

    /// For images whose size was checked when they were read.
    pub(super) fn trusted(shape: ImageShape, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(shape.n_values(), bytes.len());
        Self { shape, bytes }
    }

    /// The extents.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Height and width.
    pub fn size(&self) -> ImageSize {
        self.shape.size()
    }

    /// The bytes, `[height, width, channels]`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The image as values in [-1, 1].
    pub fn values(&self) -> Vec<f32> {
        values_from_bytes(&self.bytes)
    }

    /// The image in grey (one channel); an image that is grey already is left alone.
    ///
    /// # Source
    ///
    /// ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B, rounded to nearest: the weights that
    /// Python's imaging libraries use, so that grey sets made elsewhere agree.
    pub fn into_grey(self) -> Self {
        if self.shape.channels == 1 {
            return self;
        }
        let luma = |rgb: &[u8]| {
            let [r, g, b] = [0, 1, 2].map(|channel| u32::from(rgb[channel]));
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        };
        Self {
            shape: ImageShape { channels: 1, ..self.shape },
            bytes: self.bytes.chunks_exact(3).map(luma).collect(),
        }
    }

    /// The image in RGB; a grey one gets three equal channels.
    pub fn into_rgb(self) -> Self {
        if self.shape.channels == 3 {
            return self;
        }
        Self {
            shape: ImageShape { channels: 3, ..self.shape },
            bytes: self.bytes.iter().flat_map(|&grey| [grey; 3]).collect(),
        }
    }

    /// A part of the image: `rows` by `columns` pixels from `top` and `left` on, as far as the image reaches.
    pub fn cropped(&self, top: usize, left: usize, rows: usize, columns: usize) -> Self {
        let ImageShape { height, width, channels } = self.shape;
        let (top, left) = (top.min(height - 1), left.min(width - 1));
        let (rows, columns) = (rows.clamp(1, height - top), columns.clamp(1, width - left));
        let lines = self.bytes.chunks_exact(width * channels).skip(top).take(rows);
        let bytes = lines.flat_map(|line| &line[left * channels..(left + columns) * channels]);
        Self { shape: ImageShape { height: rows, width: columns, channels }, bytes: bytes.copied().collect() }
    }

    /// The image with every pixel as a square of so many pixels a side.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] if it is zero, or the image would become larger than [`MAX_SIDE`].
    pub fn enlarged(&self, times: usize) -> Result<Self, DataError> {
        let ImageShape { height, width, channels } = self.shape;
        if !(1..=MAX_SIDE).contains(&height.max(width).saturating_mul(times)) {
            let reason = format!("of {times} is none, or too large for an image of {}", self.shape);
            return Err(DataError::Setting { setting: "scale", reason });
        }
        let rows = self.bytes.chunks_exact(width * channels).flat_map(|row| std::iter::repeat_n(row, times));
        let pixels = rows.flat_map(|row| row.chunks_exact(channels));
        let bytes = pixels.flat_map(|pixel| std::iter::repeat_n(pixel, times)).flatten().copied().collect();
        Ok(Self { shape: ImageShape { height: height * times, width: width * times, channels }, bytes })
    }

    /// The image resized to so many rows and columns, of at most [`MAX_SIDE`] (Lanczos, which smooths as it shrinks).
    pub fn resized(self, rows: usize, columns: usize) -> Self {
        let ImageShape { height, width, channels } = self.shape;
        let (rows, columns) = (rows.clamp(1, MAX_SIDE), columns.clamp(1, MAX_SIDE));
        if (height, width) == (rows, columns) {
            return self;
        }
        let (from_width, from_height, to_height, to_width) =
            (width as u32, height as u32, rows as u32, columns as u32);
        let filter = FilterType::Lanczos3;
        // The buffer always has the length its extents need, so `from_raw` never fails.
        let bytes = if channels == 1 {
            ImageBuffer::<Luma<u8>, _>::from_raw(from_width, from_height, self.bytes)
                .map(|image| imageops::resize(&image, to_width, to_height, filter).into_raw())
        } else {
            ImageBuffer::<Rgb<u8>, _>::from_raw(from_width, from_height, self.bytes)
                .map(|image| imageops::resize(&image, to_width, to_height, filter).into_raw())
        };
        Self::trusted(ImageShape { height: rows, width: columns, channels }, bytes.unwrap_or_default())
    }
}
