//! Models that need no network: mixtures of Gaussians, whose denoiser is known exactly.
//!
//! They are the oracle of the tests (solvers, samplers and losses can be checked against exact answers)
//! and a target to learn in two dimensions.

use burn::tensor::{Tensor, TensorData};

use super::denoiser::{Denoiser, per_sample};
use super::{Condition, ModelError, check_batch};
use crate::noise::Stream;

/// One isotropic Gaussian of a mixture.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Share of the data that comes from it; the shares of a mixture sum to one.
    pub share: f64,
    /// Mean, `[height, width, channels]` flattened.
    pub mean: Vec<f64>,
    /// Standard deviation of every coordinate.
    pub std: f64,
}

/// Data that is a mixture of isotropic Gaussians, as an exact [`Denoiser`].
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    components: Vec<Component>,
    sigma_min: f64,
}

impl GaussianMixture {
    /// A mixture; `sigma_min` is the smallest level it will be asked about.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] unless there is a component, all means have one length, deviations are
    /// positive and the shares are positive and sum to one within 1e-9.
    pub fn new(components: Vec<Component>, sigma_min: f64) -> Result<Self, ModelError> {
        let bad =
            |reason: &str| Err(ModelError::BadArchitecture { reason: format!("Gaussian mixture: {reason}") });
        let Some(first) = components.first() else { return bad("it needs at least one component") };
        if components.iter().any(|c| c.mean.len() != first.mean.len()) {
            return bad("all means must have the same length");
        }
        if !components.iter().all(|c| c.std > 0.0 && c.share > 0.0) {
            return bad("deviations and shares must be positive");
        }
        if (components.iter().map(|c| c.share).sum::<f64>() - 1.0).abs() > 1e-9 {
            return bad("shares must sum to one");
        }
        Ok(Self { components, sigma_min })
    }

    /// One Gaussian.
    ///
    /// # Errors
    ///
    /// As [`GaussianMixture::new`].
    pub fn single(mean: Vec<f64>, std: f64, sigma_min: f64) -> Result<Self, ModelError> {
        Self::new(vec![Component { share: 1.0, mean, std }], sigma_min)
    }

    /// Draws one clean sample from `stream`.
    pub fn draw(&self, stream: &mut Stream) -> Vec<f64> {
        let mut left = stream.uniform();
        let component = self
            .components
            .iter()
            .find(|component| {
                left -= component.share;
                left < 0.0
            })
            .unwrap_or(&self.components[self.components.len() - 1]);
        component.mean.iter().map(|mean| mean + component.std * stream.normal_pair()[0]).collect()
    }

    /// The exact consistency function of a single Gaussian: the end, at σ_min, of the ODE path through (x, σ).
    ///
    /// f(x, σ) = m + (x - m)·√((s² + σ_min²)/(s² + σ²)); none for a mixture of several, which has no closed form.
    ///
    /// # Shapes
    ///
    /// `noisy` and the result: `[batch, height, width, channels]`; one `sigma` a sample.
    pub fn consistency_function(&self, noisy: Tensor<4>, sigma: &[f64]) -> Option<Tensor<4>> {
        let [component] = self.components.as_slice() else { return None };
        let variance = component.std.powi(2);
        let factor = sigma
            .iter()
            .map(|sigma| ((variance + self.sigma_min.powi(2)) / (variance + sigma.powi(2))).sqrt());
        let mean = self.mean(component, &noisy);
        Some((noisy.clone() - mean.clone()) * per_sample(factor, &noisy) + mean)
    }

    /// The component's mean as a `[1, height, width, channels]` tensor of the type of `like`.
    fn mean(&self, component: &Component, like: &Tensor<4>) -> Tensor<4> {
        let [_, height, width, channels] = like.dims();
        let data = TensorData::new(component.mean.clone(), [1, height, width, channels]);
        Tensor::from_data(data, (&like.device().inner(), like.dtype()))
    }
}

impl Denoiser for GaussianMixture {
    /// The exact mean of the clean sample given the noisy one.
    ///
    /// # Source
    ///
    /// Bayes' rule: the components' posterior means, weighted with their posterior probabilities (log-sum-exp
    /// over the components, so that far-away ones cannot overflow).
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        _condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let [batch, height, width, channels] = noisy.dims();
        check_batch("noise levels", sigma.len(), batch)?;
        let dimension = height * width * channels;
        if dimension != self.components[0].mean.len() {
            return Err(ModelError::WrongImage {
                found: [height, width, channels],
                expected: [1, 1, self.components[0].mean.len()],
            });
        }
        let total = |component: &Component, sigma: &f64| component.std.powi(2) + sigma.powi(2);
        let mut log_weights = Vec::new();
        let mut means = Vec::new();
        for component in &self.components {
            let mean = self.mean(component, &noisy);
            let offset = noisy.clone() - mean.clone();
            let square = offset.clone().powi_scalar(2).sum_dim(3).sum_dim(2).sum_dim(1);
            let scale = per_sample(sigma.iter().map(|s| -0.5 / total(component, s)), &noisy);
            let constant = per_sample(
                sigma
                    .iter()
                    .map(|s| component.share.ln() - 0.5 * dimension as f64 * total(component, s).ln()),
                &noisy,
            );
            log_weights.push(square * scale + constant);
            let keep = per_sample(sigma.iter().map(|s| component.std.powi(2) / total(component, s)), &noisy);
            means.push(offset * keep + mean);
        }
        let largest = log_weights.iter().cloned().reduce(Tensor::max_pair).expect("at least one component");
        let weights: Vec<_> = log_weights.into_iter().map(|w| (w - largest.clone()).exp()).collect();
        let sum = weights.iter().cloned().reduce(|a, b| a + b).expect("at least one component");
        let estimate = weights.into_iter().zip(means).map(|(w, mean)| w * mean).reduce(|a, b| a + b);
        Ok(estimate.expect("at least one component") / sum)
    }

    fn sigma_min(&self) -> f64 {
        self.sigma_min
    }
}
