//! Distances d(·,·) between two image batches, one number a sample.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::perceptual::{
    PerceptualError, PerceptualKind, PerceptualNetwork, Pooling, Trunk, WeightFiles, open,
};

/// Images from this height and width on go to LPIPS as they are.
const LARGE: usize = 256;
/// What smaller ones are resized to, as published.
const PUBLISHED_SIZE: usize = 224;

/// How far apart two estimates are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
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
}

fn published_size() -> usize {
    PUBLISHED_SIZE
}

impl Distance {
    /// The perceptual network that it needs; none for those that are formulas.
    pub fn perceptual(self) -> Option<PerceptualKind> {
        match self {
            Self::L1 | Self::L2 | Self::L2At32 | Self::PseudoHuber { .. } => None,
            Self::Lpips { trunk, pooling, .. } => Some(PerceptualKind::Lpips { trunk, pooling }),
            Self::StLpips { .. } => Some(PerceptualKind::StLpips),
        }
    }

    /// Height and width that images of this height and width are compared at.
    pub fn compared_at(self, [height, width]: [usize; 2]) -> [usize; 2] {
        match self {
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
    /// As [`open`]: weights that are missing or unfit.
    pub fn load(self, files: &WeightFiles, device: &Device) -> Result<LoadedDistance, PerceptualError> {
        let network = match self.perceptual() {
            Some(kind) => Some(Arc::new(open(kind, files, device)?)),
            None => None,
        };
        Ok(LoadedDistance { distance: self, network })
    }
}

/// A distance that is ready to compute.
#[derive(Debug, Clone)]
pub struct LoadedDistance {
    distance: Distance,
    /// Present where the distance names one.
    network: Option<Arc<PerceptualNetwork>>,
}

impl LoadedDistance {
    /// A distance with a network that was put together elsewhere; none if it names another network, or none at all.
    pub fn with_network(distance: Distance, network: Arc<PerceptualNetwork>) -> Option<Self> {
        (distance.perceptual() == Some(network.kind())).then_some(Self { distance, network: Some(network) })
    }

    /// Which distance it is.
    pub fn distance(&self) -> Distance {
        self.distance
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
        let [batch, height, width, channels] = a.dims();
        let n_values = height * width * channels;
        if let Some(network) = &self.network {
            let [a, b] = [a, b].map(|images| self.resized(images));
            return network.between(a, b);
        }
        match self.distance {
            Distance::L1 => (a - b).abs().reshape([batch, n_values]).mean_dim(1).reshape([batch]),
            Distance::L2At32 => mean_square(onestep_kernels::resize_bilinear(a - b, 32, 32)),
            Distance::PseudoHuber { huber_c } => {
                let c = huber_c.unwrap_or_else(|| huber_c_for(n_values));
                let difference = (a - b).reshape([batch, n_values]);
                let square = (difference.clone() * difference).sum_dim(1).reshape([batch]);
                // The floor keeps the gradient of the root finite where the two are equal and c is 0.
                (square + (c * c).max(1e-30)).sqrt() - c
            }
            Distance::L2 => mean_square(a - b),
            Distance::Lpips { .. } | Distance::StLpips { .. } => {
                unreachable!("a perceptual distance is loaded with its network")
            }
        }
    }

    fn resized(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, height, width, _] = images.dims();
        let [new_height, new_width] = self.distance.compared_at([height, width]);
        if [height, width] == [new_height, new_width] {
            return images;
        }
        onestep_kernels::resize_bilinear(images, new_height, new_width)
    }
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
