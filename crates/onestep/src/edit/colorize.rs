//! Colorization: the luma of every pixel is known.

use burn::tensor::{Tensor, TensorData};

use super::{Constraint, EditError};
use crate::Result;

/// Keeps one direction of color and lets the rest be drawn.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), appendix D: A rotates the channels so that the first is luma,
/// (0.2989, 0.5870, 0.1140) brought to length 1. The other two axes make no difference, so none are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colorize {
    direction: [f64; 3],
}

impl Default for Colorize {
    fn default() -> Self {
        Self::along([0.2989, 0.5870, 0.1140]).expect("a direction")
    }
}

impl Colorize {
    /// Keeps another direction than luma, for example one channel.
    ///
    /// # Errors
    ///
    /// [`EditError::Direction`] if it has no length.
    pub fn along(direction: [f64; 3]) -> Result<Self, EditError> {
        let length = direction.iter().map(|c| c * c).sum::<f64>().sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return Err(EditError::Direction { channels: 3 });
        }
        Ok(Self { direction: direction.map(|c| c / length) })
    }

    fn direction(&self, like: &Tensor<4>) -> Tensor<4> {
        let direction = TensorData::new(self.direction.map(|c| c as f32).to_vec(), [1, 1, 1, 3]);
        Tensor::from_data(direction, &like.device())
    }
}

impl Constraint for Colorize {
    fn check(&self, [.., channels]: [usize; 4]) -> Result<(), EditError> {
        if channels == 3 { Ok(()) } else { Err(EditError::NoColor { channels }) }
    }

    fn project(&self, images: Tensor<4>) -> Tensor<4> {
        let direction = self.direction(&images);
        (images * direction.clone()).sum_dim(3) * direction
    }

    /// Grey of the brightness that is known; what is known itself is greenish, because green counts most.
    fn guess(&self, known: &Tensor<4>) -> Tensor<4> {
        let sum: f64 = self.direction.iter().sum();
        if sum.abs() < 1e-3 {
            return known.clone();
        }
        let brightness = (known.clone() * self.direction(known)).sum_dim(3) / sum;
        brightness.repeat_dim(3, 3)
    }
}
