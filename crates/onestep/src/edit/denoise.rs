//! Denoising: the noisy image is a point of the path already.

use burn::tensor::Tensor;

use super::GivenNoise;
use crate::Result;
use crate::data::ImageShape;
use crate::model::Denoiser;
use crate::noise::SamplingLevels;
use crate::sample::{Request, sample_multistep};

/// Removes noise: the first evaluation gets the noisy image as it is, at the first level; further ones add noise of their
/// own and remove it again.
///
/// # Shapes
///
/// `noisy`: `[1, height, width, channels]`, for all candidates; `request.shape` and the result: `[batch, height, width,
/// channels]` with one seed each.
///
/// # Units
///
/// The first level is the deviation of the noise for values in [-1, 1]:
/// [`deviation_from_bytes`](crate::data::image::deviation_from_bytes).
///
/// # Randomness
///
/// The streams of `seeds`, from the second level on.
///
/// # Errors
///
/// Whatever `model` returns.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), section 6 and appendix D.
pub fn denoise(
    model: &dyn Denoiser,
    levels: &SamplingLevels,
    noisy: &Tensor<4>,
    seeds: &[u64],
    request: Request<'_>,
) -> Result<Tensor<4>> {
    // The sampler multiplies its first noise by the first level.
    let noise = noisy.clone().repeat_dim(0, seeds.len()) / levels.as_slice()[0];
    let noise = noise.into_data().iter::<f32>().collect();
    sample_multistep(model, levels, &mut GivenNoise::new(noise, seeds), request)
}

/// The deviation of the noise in an image, in the units of its values.
///
/// Noise is what is left of the finest diagonal detail when edges are too few to matter: the median of its size. Blocks
/// that hold the whitest white or the blackest black are left out where enough others remain, because noise has been cut
/// off there. Detail of the image itself counts as noise, so a clean photograph has a little.
///
/// # Shapes
///
/// `values`: `[height, width, channels]`, flat, in [-1, 1].
///
/// # Source
///
/// Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage": the median absolute value of the diagonal
/// Haar coefficients over 0.6745.
pub fn estimate_noise(values: &[f32], shape: ImageShape) -> f64 {
    /// The median absolute value of a unit normal.
    const MEDIAN: f64 = 0.674_489_750_196_081_7;
    /// Fewer blocks than this say nothing.
    const ENOUGH: usize = 16;
    let ImageShape { height, width, channels } = shape;
    let at = |y: usize, x: usize, c: usize| f64::from(values[(y * width + x) * channels + c]);
    let (mut inner, mut all) = (Vec::new(), Vec::new());
    for y in (0..height.saturating_sub(1)).step_by(2) {
        for x in (0..width.saturating_sub(1)).step_by(2) {
            for c in 0..channels {
                let block = [at(y, x, c), at(y, x + 1, c), at(y + 1, x, c), at(y + 1, x + 1, c)];
                let detail = (0.5 * (block[0] - block[1] - block[2] + block[3])).abs();
                all.push(detail);
                if block.iter().all(|value| value.abs() < 1.0) {
                    inner.push(detail);
                }
            }
        }
    }
    let mut details = if inner.len() >= ENOUGH { inner } else { all };
    if details.is_empty() {
        return 0.0;
    }
    let middle = details.len() / 2;
    let (_, median, _) = details.select_nth_unstable_by(middle, f64::total_cmp);
    *median / MEDIAN
}
