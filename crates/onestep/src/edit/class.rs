//! Which class an image belongs to, by the model that is to edit it.

use burn::tensor::{Tensor, TensorData};

use super::{Edit, EditError};
use crate::Result;
use crate::model::{Condition, Denoiser};
use crate::noise::{Purpose, Stream};

/// Noise levels at which the classes are tried: where the model sees shapes and colors but has to guess what they are.
const LEVELS: [f64; 2] = [0.6, 1.5];

/// More classes than these are not tried one by one.
const MOST_CLASSES: usize = 64;

/// The class under which a model explains best what is known of an image: the one of the smallest of [`class_errors`].
///
/// # Errors
///
/// [`EditError::TooManyClasses`] for more than 64; as [`class_errors`].
pub fn likeliest_class(model: &dyn Denoiser, edit: &Edit<'_>, n_classes: usize) -> Result<usize> {
    if n_classes > MOST_CLASSES {
        return Err(EditError::TooManyClasses { n_classes }.into());
    }
    let errors = class_errors(model, edit, n_classes, 0)?;
    Ok((0..n_classes).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap_or_default())
}

/// How badly a class-conditional model explains what is known of an image under each of its classes: the mean square error,
/// on the known part, of its estimates from noisy versions of the image. The smallest is the likeliest class.
///
/// Costs `4 * n_classes` network evaluations in four batches.
///
/// # Shapes
///
/// `edit.known`: `[1, height, width, channels]`. Where the constraint knows nothing, `edit.origin` counts as a whole.
///
/// # Randomness
///
/// Streams of `seed`: the same seed gives the same errors. All classes see the same noise.
///
/// # Errors
///
/// Whatever `model` returns.
///
/// # Source
///
/// A diffusion model as classifier: Li et al. 2023 (arXiv:2303.16203), with two levels in place of a thousand draws.
pub fn class_errors(model: &dyn Denoiser, edit: &Edit<'_>, n_classes: usize, seed: u64) -> Result<Vec<f64>> {
    let [_, height, width, channels] = edit.origin.dims();
    let n_values = height * width * channels;
    let image = edit.origin.clone().slice([0..1, 0..height, 0..width, 0..channels]);
    let has_known = edit.known.clone().abs().max().into_scalar::<f32>() > 0.0;
    let condition = Condition::classes((0..n_classes).collect());
    let mut errors = vec![0.0; n_classes];
    for (step, sigma) in LEVELS.into_iter().flat_map(|sigma| [sigma; 2]).enumerate() {
        let noise = Stream::new(seed, Purpose::Label, 1 + step as u64, 0).standard_normal(n_values);
        let noise =
            Tensor::<4>::from_data(TensorData::new(noise, [1, height, width, channels]), &image.device());
        let noisy = (image.clone() + noise * sigma).repeat_dim(0, n_classes);
        let estimate = model.denoise(noisy, &vec![sigma; n_classes], &condition)?;
        let difference = estimate - image.clone().repeat_dim(0, n_classes);
        let difference = if has_known { edit.constraint.project(difference) } else { difference };
        let square = (difference.clone() * difference).reshape([n_classes, n_values]).mean_dim(1);
        let square: Vec<f32> = square.into_data().iter::<f32>().collect();
        errors.iter_mut().zip(square).for_each(|(sum, error)| *sum += f64::from(error) / sigma);
    }
    Ok(errors)
}
