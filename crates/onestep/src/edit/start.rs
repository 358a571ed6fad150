//! Where the sampling of an edit starts.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Constraint, Edit, EditError, Unconstrained};

/// Where the sampling of an edit starts, and what it keeps: a job whose pictures have become tensors.
pub enum Start {
    /// At images under noise, with what is known of them put back after every estimate.
    Images(Box<StartImages>),
    /// At an image that is noisy already, `[1, height, width, channels]`.
    Noisy(Box<Tensor<4>>),
    /// On the way from the noise of one seed to that of another.
    BetweenSeeds([u64; 2]),
    /// At some distance, 0 to 1, from the noise of a seed.
    NearSeed {
        /// The seed.
        seed: u64,
        /// How far from it.
        distance: f64,
    },
    /// On the way from one unit noise to another, `[height, width, channels]` each, flat.
    BetweenNoises([Vec<f32>; 2]),
}

impl Start {
    /// Starts at what is known of images and the constraint's guess at the rest. One image serves all candidates; of several
    /// there must be one for each.
    ///
    /// # Shapes
    ///
    /// `images`: as [`Edit::of`] takes them.
    ///
    /// # Errors
    ///
    /// [`EditError`] if the constraint does not fit them.
    pub fn of(constraint: impl Constraint + 'static, images: Tensor<4>) -> Result<Self, EditError> {
        let Edit { known, origin, .. } = Edit::of(&constraint, images)?;
        Ok(Self::Images(Box::new(StartImages { constraint: Box::new(constraint), known, origin })))
    }

    /// Starts at images and keeps nothing of them.
    ///
    /// # Shapes
    ///
    /// `images`: as [`Edit::of`] takes them.
    pub fn from(images: Tensor<4>) -> Self {
        let Edit { known, origin, .. } = Edit::from(images);
        Self::Images(Box::new(StartImages { constraint: Box::new(Unconstrained), known, origin }))
    }

    /// The images that the first noise is added to, or that are noisy; none where sampling starts from noise alone.
    pub fn origin(&self) -> Option<&Tensor<4>> {
        match self {
            Self::Images(images) => Some(&images.origin),
            Self::Noisy(image) => Some(image),
            _ => None,
        }
    }
}

/// Images to start at, and what is kept of them: an [`Edit`] that owns its constraint.
pub struct StartImages {
    constraint: Box<dyn Constraint>,
    known: Tensor<4>,
    origin: Tensor<4>,
}

impl StartImages {
    /// The edit of all images.
    pub fn edit(&self) -> Edit<'_> {
        Edit { constraint: &*self.constraint, known: self.known.clone(), origin: self.origin.clone() }
    }

    /// The edit of the images of some candidates; one image serves them all.
    pub fn edit_of(&self, range: &Range<usize>) -> Edit<'_> {
        let part = |images: &Tensor<4>| match images.dims() {
            [1, ..] => images.clone(),
            [_, height, width, channels] => {
                images.clone().slice([range.clone(), 0..height, 0..width, 0..channels])
            }
        };
        Edit { constraint: &*self.constraint, known: part(&self.known), origin: part(&self.origin) }
    }
}
