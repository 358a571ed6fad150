//! Denoising: the noisy image is a point of the path already.

use burn::tensor::Tensor;

use super::EditError;
use crate::Result;
use crate::data::ImageShape;
use crate::model::{Condition, Denoiser, NoiseRange};

/// Removes noise of a known level with one evaluation.
///
/// # Shapes
///
/// `noisy` and the result: `[batch, height, width, channels]`; the result is clamped to [-1, 1].
///
/// # Units
///
/// `sigma` is the deviation of the noise for values in [-1, 1]: that of bytes divided by 127.5.
///
/// # Errors
///
/// [`EditError::Level`] if the level is outside of `range`; whatever `model` returns.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), section 6 and appendix D.
pub fn denoise(
    model: &dyn Denoiser,
    noisy: Tensor<4>,
    sigma: f64,
    range: &NoiseRange,
    condition: &Condition,
) -> Result<Tensor<4>> {
    let NoiseRange { sigma_min, sigma_max, .. } = *range;
    if !(sigma_min..=sigma_max).contains(&sigma) {
        return Err(EditError::Level { sigma, sigma_min, sigma_max }.into());
    }
    let batch = noisy.dims()[0];
    Ok(model.denoise(noisy, &vec![sigma; batch], condition)?.clamp(-1.0, 1.0))
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
