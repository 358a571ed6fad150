//! Inpainting: some pixels are known.

use burn::tensor::{Device, Tensor, TensorData};

use super::{Constraint, EditError};
use crate::Result;
use crate::size::ImageSize;

/// Keeps the pixels of a mask to the bit and lets all others be drawn.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), appendix D: A is the identity. Unknown pixels of the start are 0 (grey) in
/// Algorithm 4 and openai/consistency_models_cifar10, -1 (black) in openai/consistency_models, and the mean color of the
/// known ones here. At σ = 80 that makes no difference.
#[derive(Debug, Clone)]
pub struct Inpaint {
    mask: Tensor<4>,
}

impl Inpaint {
    /// One mask for all images.
    ///
    /// # Shapes
    ///
    /// `known`: `[height, width]`, flat, 1 where a pixel is known and 0 where it is to be drawn.
    ///
    /// # Errors
    ///
    /// [`EditError::MaskSize`] for another number of values, [`EditError::MaskValue`] for other values.
    pub fn new(known: &[f32], [height, width]: [usize; 2], device: &Device) -> Result<Self, EditError> {
        if known.len() != height * width {
            return Err(EditError::MaskSize {
                found: format!("{} pixels", known.len()),
                expected: format!("{width}x{height}"),
            });
        }
        if let Some(&value) = known.iter().find(|&&value| value != 0.0 && value != 1.0) {
            return Err(EditError::MaskValue { value });
        }
        let mask = TensorData::new(known.to_vec(), [1, height, width, 1]);
        Ok(Self { mask: Tensor::from_data(mask, device) })
    }

    /// A part in the middle that is missing, of this share of both sides.
    pub fn middle(size: impl Into<ImageSize>, share: f64, device: &Device) -> Self {
        let ImageSize { height, width } = size.into();
        let hole = |side: usize| {
            let half = (side as f64 * share.clamp(0.0, 1.0) / 2.0).round() as usize;
            side / 2 - half.min(side / 2)..side / 2 + half
        };
        let (rows, columns) = (hole(height), hole(width));
        let known = |i: usize| !(rows.contains(&(i / width)) && columns.contains(&(i % width)));
        let known = (0..height * width).map(|i| f32::from(u8::from(known(i)))).collect();
        let mask = TensorData::new(known, [1, height, width, 1]);
        Self { mask: Tensor::from_data(mask, device) }
    }

    /// A mask an image, or an image and channel.
    ///
    /// # Shapes
    ///
    /// `[1 or batch, height, width, 1 or channels]`, 1 where known and 0 elsewhere.
    pub fn with_masks(known: Tensor<4>) -> Self {
        Self { mask: known }
    }
}

impl Constraint for Inpaint {
    fn check(&self, [batch, height, width, channels]: [usize; 4]) -> Result<(), EditError> {
        let [masks, rows, columns, of_channels] = self.mask.dims();
        let one_or = |found: usize, expected: usize| found == 1 || found == expected || expected == 1;
        if (rows, columns) == (height, width) && one_or(masks, batch) && one_or(of_channels, channels) {
            return Ok(());
        }
        let found = format!("{columns}x{rows}, {masks} of {of_channels} channel(s)");
        Err(EditError::MaskSize {
            found,
            expected: format!("{width}x{height}, {batch} of {channels} channel(s)"),
        })
    }

    fn project(&self, images: Tensor<4>) -> Tensor<4> {
        images * self.mask.clone()
    }

    /// Unknown pixels have the mean color of the known ones.
    fn guess(&self, known: &Tensor<4>) -> Tensor<4> {
        let mask = self.mask.clone();
        let count = mask.clone().sum_dim(1).sum_dim(2).clamp_min(1.0);
        let mean = known.clone().sum_dim(1).sum_dim(2) / count;
        known.clone() + mean * (mask.neg() + 1.0)
    }

    /// Chooses instead of adding, so that a known pixel keeps its value to the bit.
    fn put_back(&self, estimate: Tensor<4>, known: &Tensor<4>) -> Tensor<4> {
        let unknown = self.mask.clone().neg() + 1.0;
        known.clone() * self.mask.clone() + estimate * unknown
    }
}
