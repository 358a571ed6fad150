//! What an edit must leave as it is, and the sampler that leaves it.

use burn::tensor::Tensor;

use super::EditError;
use crate::Result;
use crate::model::Denoiser;
use crate::noise::{NoiseSource, SamplingLevels};
use crate::sample::{Request, sample_multistep_from};

/// A part of an image that is known: an orthogonal projection P on the known directions of the space of images.
///
/// Any orthogonal linear degradation is one: pixels, a direction of color, the means of patches, low frequencies. Implement
/// [`project`](Constraint::project), and [`sample_edit`] does the rest.
pub trait Constraint {
    /// Refuses images that this constraint does not fit.
    ///
    /// # Errors
    ///
    /// [`EditError`] for a `shape` (`[batch, height, width, channels]`) it makes no sense for.
    fn check(&self, shape: [usize; 4]) -> Result<(), EditError>;

    /// P·x: what is known of images, and zero in all other directions.
    ///
    /// # Shapes
    ///
    /// `images` and the result: `[batch, height, width, channels]`. P·P = P.
    fn project(&self, images: Tensor<4>) -> Tensor<4>;

    /// The image that sampling starts at: what is known, and the plainest guess at the rest. At σ_max it makes no difference;
    /// below, it is what the noise has to hide.
    ///
    /// # Shapes
    ///
    /// `known` and the result: `[batch, height, width, channels]`.
    fn guess(&self, known: &Tensor<4>) -> Tensor<4> {
        known.clone()
    }

    /// An estimate with its known part replaced: x + P·(known - x).
    ///
    /// # Shapes
    ///
    /// Both and the result: `[batch, height, width, channels]`.
    fn put_back(&self, estimate: Tensor<4>, known: &Tensor<4>) -> Tensor<4> {
        estimate.clone() + self.project(known.clone() - estimate)
    }
}

/// Nothing is known: strokes and variations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unconstrained;

impl Constraint for Unconstrained {
    fn check(&self, _: [usize; 4]) -> Result<(), EditError> {
        Ok(())
    }

    fn project(&self, images: Tensor<4>) -> Tensor<4> {
        images.zeros_like()
    }

    fn put_back(&self, estimate: Tensor<4>, _: &Tensor<4>) -> Tensor<4> {
        estimate
    }
}

/// What is edited: where sampling starts and what it keeps.
pub struct Edit<'a> {
    /// What must stay.
    pub constraint: &'a dyn Constraint,
    /// The known part of the images, `[1 or batch, height, width, channels]`.
    pub known: Tensor<4>,
    /// The images that the first noise is added to, of the same shape.
    pub origin: Tensor<4>,
}

impl<'a> Edit<'a> {
    /// An edit that starts at what is known and the constraint's guess at the rest.
    ///
    /// # Shapes
    ///
    /// `images`: `[1 or batch, height, width, channels]`, in [-1, 1]; where nothing is known they may hold anything.
    ///
    /// # Errors
    ///
    /// [`EditError`] if the constraint does not fit them.
    pub fn of(constraint: &'a dyn Constraint, images: Tensor<4>) -> Result<Self, EditError> {
        constraint.check(images.dims())?;
        let known = constraint.project(images);
        Ok(Self { constraint, origin: constraint.guess(&known), known })
    }

    /// An edit that keeps nothing and starts at images: stroke guidance and variations.
    ///
    /// # Shapes
    ///
    /// As [`Edit::of`].
    ///
    /// # Source
    ///
    /// SDEdit (arXiv:2108.01073), as Song et al. 2023 (arXiv:2303.01469), appendix D, use it.
    pub fn from(images: Tensor<4>) -> Self {
        Self { constraint: &Unconstrained, known: images.zeros_like(), origin: images }
    }
}

/// Edits images: multistep sampling from `edit.origin` that puts back what is known after every estimate.
///
/// # Shapes
///
/// `request.shape` and the result: `[batch, height, width, channels]`; an edit of one image serves a whole batch, one
/// candidate a seed.
///
/// # Randomness
///
/// All of it comes from `noise`, one draw a level. Where nothing is known and the origin is zero, this is plain sampling with
/// the same seeds.
///
/// # Errors
///
/// [`EditError`] where the constraint does not fit the images; whatever `model` returns.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), Algorithm 4: the start is the known image, zero in the unknown directions, with noise
/// of the first level; [`Constraint::guess`] fills those directions better, which tells only below σ_max. The drivers
/// of openai/consistency_models start from noise without the image, which an `origin` of zeros gives; the notebook of
/// openai/consistency_models_cifar10 starts without noise, because it takes an index for a level.
pub fn sample_edit(
    model: &dyn Denoiser,
    levels: &SamplingLevels,
    edit: &Edit<'_>,
    noise: &mut dyn NoiseSource,
    request: Request<'_>,
) -> Result<Tensor<4>> {
    edit.constraint.check(request.shape)?;
    let n = request.shape[0];
    let for_all = |images: &Tensor<4>| match images.dims()[0] {
        1 if n > 1 => images.clone().repeat_dim(0, n),
        _ => images.clone(),
    };
    let known = for_all(&edit.known);
    let put_back = |estimate| edit.constraint.put_back(estimate, &known);
    sample_multistep_from(model, levels, for_all(&edit.origin), &put_back, noise, request)
}
