//! Distances d(·,·) between two image batches, one number a sample.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

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
}

impl Distance {
    /// The distance of each pair of images.
    ///
    /// # Shapes
    ///
    /// `a` and `b`: `[batch, height, width, channels]`; returns `[batch]`.
    ///
    /// # Source
    ///
    /// L1, L2, L2-32: `consistency_losses` in openai/consistency_models (means over pixels and channels).
    /// Pseudo-Huber: improved consistency training (arXiv:2310.14189), section 3.3; some later
    /// implementations apply it to single pixels, which is another loss. Easy consistency tuning
    /// (arXiv:2406.14548) takes c = 0 and sums over pixels, which is the same expression.
    pub fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        let [batch, height, width, channels] = a.dims();
        let n_values = height * width * channels;
        match *self {
            Self::L1 => (a - b).abs().reshape([batch, n_values]).mean_dim(1).reshape([batch]),
            Self::L2 => mean_square(a - b),
            Self::L2At32 => mean_square(onestep_kernels::resize_bilinear(a - b, 32, 32)),
            Self::PseudoHuber { huber_c } => {
                let c = huber_c.unwrap_or_else(|| huber_c_for(n_values));
                let difference = (a - b).reshape([batch, n_values]);
                let square = (difference.clone() * difference).sum_dim(1).reshape([batch]);
                // The floor keeps the gradient of the root finite where the two are equal and c is 0.
                (square + (c * c).max(1e-30)).sqrt() - c
            }
        }
    }
}

/// The published constant of the pseudo-Huber distance for images of `n_values` values: 0.00054·√n.
pub fn huber_c_for(n_values: usize) -> f64 {
    0.00054 * (n_values as f64).sqrt()
}

fn mean_square(difference: Tensor<4>) -> Tensor<1> {
    let [batch, height, width, channels] = difference.dims();
    let difference = difference.reshape([batch, height * width * channels]);
    (difference.clone() * difference).mean_dim(1).reshape([batch])
}
