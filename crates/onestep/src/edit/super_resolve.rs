//! Super-resolution: the mean of every patch is known.

use burn::tensor::Tensor;

use super::{Constraint, EditError};
use crate::Result;

/// Keeps the mean of every patch of `factor` by `factor` pixels, channel by channel, and lets the rest be drawn.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), appendix D: A rotates the pixels of a patch so that the first is their mean times
/// `factor`. The other axes make no difference, so none are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuperResolve {
    factor: usize,
}

impl SuperResolve {
    /// Patches of so many pixels a side.
    pub fn new(factor: usize) -> Self {
        Self { factor }
    }

    /// The small image: the mean of every patch.
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, channels]`; the result has a side of the factor's part.
    ///
    /// # Errors
    ///
    /// [`EditError::Factor`] if the factor does not divide both sides.
    pub fn shrink(&self, images: Tensor<4>) -> Result<Tensor<4>, EditError> {
        let [batch, height, width, channels] = images.dims();
        self.check(images.dims())?;
        let factor = self.factor;
        let patches = images.reshape([batch, height / factor, factor, width / factor, factor, channels]);
        Ok(patches.mean_dim(4).mean_dim(2).reshape([batch, height / factor, width / factor, channels]))
    }

    /// The large image whose patches have the colors of a small one's pixels.
    ///
    /// # Shapes
    ///
    /// `[batch, height, width, channels]`; the result has `factor` times the sides.
    pub fn enlarge(&self, images: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, channels] = images.dims();
        let factor = self.factor;
        let cells = images.reshape([batch, height, 1, width, 1, channels]);
        let patches = cells.expand([batch, height, factor, width, factor, channels]);
        patches.reshape([batch, height * factor, width * factor, channels])
    }
}

impl Constraint for SuperResolve {
    fn check(&self, [_, height, width, _]: [usize; 4]) -> Result<(), EditError> {
        let factor = self.factor;
        if factor > 0 && height.is_multiple_of(factor) && width.is_multiple_of(factor) {
            Ok(())
        } else {
            Err(EditError::Factor { factor, height, width })
        }
    }

    fn project(&self, images: Tensor<4>) -> Tensor<4> {
        match self.shrink(images.clone()) {
            Ok(small) => self.enlarge(small),
            // `check` comes first wherever images enter; nothing is known of others.
            Err(_) => images.zeros_like(),
        }
    }
}
