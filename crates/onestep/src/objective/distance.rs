//! Distances d(·,·) between two image batches, one number a sample.

use std::fmt;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::perceptual::{PerceptualKind, PerceptualNetwork, Pooling, Trunk, WeightFiles, open};
use crate::vision::VisionError;

/// Images from this height and width on go to LPIPS as they are.
const LARGE: usize = 256;
/// What smaller ones are resized to, as published.
const PUBLISHED_SIZE: usize = 224;

/// How far apart two estimates are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Distance {
    /// Mean absolute difference.
    L1,
    /// Mean squared difference.
    #[default]
    L2,
    /// Mean squared difference after a bilinear resize to 32x32.
    #[serde(rename = "l2-32")]
    L2At32,
    /// √(‖a - b‖² + c²) - c with the norm of the whole image: like L2 near zero, like L1 far away.
    PseudoHuber {
        /// c; without it 0.00054·√d for images of d values, as published. 0 gives the norm itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        huber_c: Option<f64>,
    },
    /// LPIPS, which takes two files of weights ([`WeightFiles`]).
    Lpips {
        /// The classifier that looks at the images.
        #[serde(default)]
        trunk: Trunk,
        /// What stands between its parts.
        #[serde(default)]
        pooling: Pooling,
        /// Pixels a side that images below 256 are resized to first.
        #[serde(default = "published_size")]
        size: usize,
    },
    /// Shift-tolerant LPIPS, which comes with the library.
    StLpips {
        /// Pixels a side that images are resized to first; without it they are taken as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<usize>,
    },
    /// A distance that a program brings along ([`LoadedDistance::custom`]).
    Custom {
        /// Its name, by which a run that is continued knows it again.
        name: String,
    },
}

fn published_size() -> usize {
    PUBLISHED_SIZE
}

impl Distance {
    /// The perceptual network that it needs; none for those that are formulas.
    pub fn perceptual(&self) -> Option<PerceptualKind> {
        match *self {
            Self::L1 | Self::L2 | Self::L2At32 | Self::PseudoHuber { .. } | Self::Custom { .. } => None,
            Self::Lpips { trunk, pooling, .. } => Some(PerceptualKind::Lpips { trunk, pooling }),
            Self::StLpips { .. } => Some(PerceptualKind::StLpips),
        }
    }

    /// Height and width that images of this height and width are compared at.
    pub fn compared_at(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        match *self {
            Self::L2At32 => [32; 2],
            Self::Lpips { size, .. } if width < LARGE => [size; 2],
            Self::StLpips { size: Some(size) } => [size; 2],
            _ => [height, width],
        }
    }

    /// Makes it ready to compute, with its network where it needs one.
    ///
    /// # Errors
    ///
    /// As [`open`]: weights that are missing or unfit; [`VisionError::Custom`] for a distance that only its program knows.
    pub fn load(&self, files: &WeightFiles, device: &Device) -> Result<LoadedDistance, VisionError> {
        let looking =
            |kind| Ok(LoadedDistance::perceptual(self.clone(), Arc::new(open(kind, files, device)?)));
        match self {
            Self::L1 => Ok(LoadedDistance::new(self.clone(), l1)),
            Self::L2 => Ok(LoadedDistance::new(self.clone(), |a, b| mean_square(a - b))),
            Self::L2At32 => Ok(LoadedDistance::new(self.clone(), |a, b| {
                mean_square(onestep_kernels::resize_bilinear(a - b, 32, 32))
            })),
            &Self::PseudoHuber { huber_c } => {
                Ok(LoadedDistance::new(self.clone(), move |a, b| pseudo_huber(a, b, huber_c)))
            }
            &Self::Lpips { trunk, pooling, .. } => looking(PerceptualKind::Lpips { trunk, pooling }),
            Self::StLpips { .. } => looking(PerceptualKind::StLpips),
            Self::Custom { name } => Err(VisionError::Custom { name: name.clone() }),
        }
    }
}

/// A distance that is ready to compute.
#[derive(Clone)]
pub struct LoadedDistance {
    distance: Distance,
    between: Arc<dyn Fn(Tensor<4>, Tensor<4>) -> Tensor<1> + Send + Sync>,
}

impl fmt::Debug for LoadedDistance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("LoadedDistance").field(&self.distance).finish()
    }
}

impl LoadedDistance {
    fn new(
        distance: Distance,
        between: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        Self { distance, between: Arc::new(between) }
    }

    /// A distance of one's own, for runs whose recipe says [`Distance::Custom`] with the same name.
    ///
    /// # Shapes
    ///
    /// `between` gets two batches `[batch, height, width, channels]` and returns `[batch]`.
    pub fn custom(
        name: impl Into<String>,
        between: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Distance::Custom { name: name.into() }, between)
    }

    /// A distance with a network that was put together elsewhere; none if it names another network, or none at all.
    pub fn with_network(distance: Distance, network: Arc<PerceptualNetwork>) -> Option<Self> {
        (distance.perceptual() == Some(network.kind())).then(|| Self::perceptual(distance, network))
    }

    fn perceptual(distance: Distance, network: Arc<PerceptualNetwork>) -> Self {
        let seen = distance.clone();
        Self::new(distance, move |a, b| {
            let [a, b] = [a, b].map(|images| resized(images, &seen));
            network.between(a, b)
        })
    }

    /// Which distance it is.
    pub fn distance(&self) -> &Distance {
        &self.distance
    }

    /// The distance of each pair of images.
    ///
    /// # Shapes
    ///
    /// `a` and `b`: `[batch, height, width, channels]`; returns `[batch]`.
    ///
    /// # Panics
    ///
    /// If the images are of a shape that its network cannot look at; [`PerceptualKind::activations`] knows.
    ///
    /// # Source
    ///
    /// L1, L2, L2-32: `consistency_losses` in openai/consistency_models (means over pixels and channels).
    /// Pseudo-Huber: improved consistency training (arXiv:2310.14189), section 3.3; some later
    /// implementations apply it to single pixels, which is another loss. Easy consistency tuning
    /// (arXiv:2406.14548) takes c = 0 and sums over pixels, which is the same expression.
    /// LPIPS: as in `consistency_losses`, images narrower than 256 pixels resized to 224 without antialiasing, none clamped.
    pub fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        (self.between)(a, b)
    }
}

fn l1(a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
    let [batch, height, width, channels] = a.dims();
    (a - b).abs().reshape([batch, height * width * channels]).mean_dim(1).reshape([batch])
}

fn pseudo_huber(a: Tensor<4>, b: Tensor<4>, huber_c: Option<f64>) -> Tensor<1> {
    let [batch, height, width, channels] = a.dims();
    let n_values = height * width * channels;
    let c = huber_c.unwrap_or_else(|| huber_c_for(n_values));
    let difference = (a - b).reshape([batch, n_values]);
    let square = (difference.clone() * difference).sum_dim(1).reshape([batch]);
    // The floor keeps the gradient of the root finite where the two are equal and c is 0.
    (square + (c * c).max(1e-30)).sqrt() - c
}

/// Images at the size at which they are compared.
fn resized(images: Tensor<4>, distance: &Distance) -> Tensor<4> {
    let [_, height, width, _] = images.dims();
    let [new_height, new_width] = distance.compared_at([height, width]);
    if [height, width] == [new_height, new_width] {
        return images;
    }
    onestep_kernels::resize_bilinear(images, new_height, new_width)
}

/// The published constant of the pseudo-Huber distance for images of `n_values` values: 0.00054·√n.
pub fn huber_c_for(n_values: usize) -> f64 {
    0.00054 * (n_values as f64).sqrt()
}

/// The mean squared difference of each pair of images.
pub(super) fn mean_square(difference: Tensor<4>) -> Tensor<1> {
    let [batch, height, width, channels] = difference.dims();
    let difference = difference.reshape([batch, height * width * channels]);
    (difference.clone() * difference).mean_dim(1).reshape([batch])
}
