//! A weighting of noise levels that is learned along with the model.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::model::network::layers::{Linear, Start};
use crate::model::network::{NoiseCode, fourier};
use crate::model::{Builder, Init, ParameterId, ParameterSpec, Weights};

/// Number of random frequencies.
const FREQUENCIES: usize = 64;

/// w(σ): one number for each noise level, that makes e^w·loss - w the same at every level when it is learned.
///
/// Its optimum is -ln of the mean loss at that level. It starts as one number everywhere: zero, or what is known of the optimum.
///
/// # Source
///
/// Karras et al. 2024 (arXiv:2312.02696), section 5, whose u(σ) is -w: a linear layer on random Fourier features of ln(σ)/4.
/// Sines and cosines take the place of random phases.
#[derive(Debug, Clone)]
pub struct LevelWeighting {
    specs: Arc<[ParameterSpec]>,
    frequencies: ParameterId,
    linear: Linear,
}

impl Default for LevelWeighting {
    fn default() -> Self {
        Self::new()
    }
}

impl LevelWeighting {
    /// Lays it out; no number is allocated.
    pub fn new() -> Self {
        Self::starting_at(0.0)
    }

    /// The same with `first` at every level before anything is learned.
    pub fn starting_at(first: f64) -> Self {
        let mut builder = Builder::default();
        let frequencies = builder.buffer("frequencies", &[FREQUENCIES], Init::Normal { std: 1.0 });
        let linear = Linear::new(&mut builder, "linear", [2 * FREQUENCIES, 1], Start::At { bias: first });
        Self { specs: builder.finish(), frequencies, linear }
    }

    /// The numbers it needs.
    pub fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }

    /// w of each level.
    ///
    /// # Shapes
    ///
    /// One `sigma` a sample; returns `[batch]`.
    pub fn forward(&self, weights: &Weights, sigma: &[f64]) -> Tensor<1> {
        let codes: Vec<f64> = sigma.iter().map(|sigma| 0.25 * sigma.ln()).collect();
        let features = fourier(&NoiseCode::from(codes.as_slice()), weights.get(self.frequencies));
        self.linear.forward(weights, features).value.reshape([sigma.len()])
    }
}
