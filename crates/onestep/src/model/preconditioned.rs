//! A model: network, weights and preconditioning together.

use std::sync::Arc;

use burn::tensor::{DType, Tensor};

use super::denoiser::{Denoiser, per_sample};
use super::network::graph::{Extent, Graph, Input, Value};
use super::{Coefficients, Condition, ModelError, Network, Precision, Preconditioning, Weights, check_batch};

/// The noise a model was made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseRange {
    /// Smallest level, where a consistency model is the identity: 0.002 as published.
    pub sigma_min: f64,
    /// Largest level, where sampling starts: 80 as published.
    pub sigma_max: f64,
    /// Standard deviation of the data: 0.5 as published.
    pub sigma_data: f64,
}

impl Default for NoiseRange {
    fn default() -> Self {
        Self { sigma_min: 0.002, sigma_max: 80.0, sigma_data: 0.5 }
    }
}

impl NoiseRange {
    /// The first of some levels that lies outside, by more than rounding.
    pub fn outside(&self, levels: &[f64]) -> Option<f64> {
        let inside =
            |level: f64| self.sigma_min * (1.0 - 1e-9) <= level && level <= self.sigma_max * (1.0 + 1e-9);
        levels.iter().copied().find(|&level| !inside(level))
    }
}

/// A network with its weights as a [`Denoiser`].
#[derive(Debug, Clone)]
pub struct Preconditioned {
    network: Arc<dyn Network>,
    weights: Weights,
    preconditioning: Preconditioning,
    range: NoiseRange,
}

impl Preconditioned {
    /// Puts the three together.
    pub fn new(
        network: Arc<dyn Network>,
        weights: Weights,
        preconditioning: Preconditioning,
        range: NoiseRange,
    ) -> Self {
        Self { network, weights, preconditioning, range }
    }

    /// The same model with the products of its network computed in another precision; see [`Precision`].
    pub fn with_precision(&self, precision: Precision) -> Self {
        Self { weights: self.weights.with_precision(precision), ..self.clone() }
    }

    /// The same model with other weights, in the precision of this one: how a student, its target and its averages are one
    /// model.
    pub fn with_weights(&self, weights: Weights) -> Self {
        Self { weights: weights.with_precision(self.weights.precision()), ..self.clone() }
    }

    /// The raw network.
    pub fn network(&self) -> &Arc<dyn Network> {
        &self.network
    }

    /// The numbers of the network.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The noise it was made for.
    pub fn range(&self) -> NoiseRange {
        self.range
    }

    /// How its output is put together.
    pub fn preconditioning(&self) -> Preconditioning {
        self.preconditioning
    }
}

/// The noise level of a graph: known while it is put together, or given to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// It is known.
    Known(f64),
    /// It is one number a sample.
    Given(Value),
}

impl Preconditioned {
    /// Says the denoiser as nodes of a graph that takes a label where the network does: what [`Denoiser::denoise`] computes.
    ///
    /// # Shapes
    ///
    /// `noisy`: an image of the network's size, as is the result.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoGraph`] for a network that does not say itself; [`ModelError::NoFormula`] for one that is told the time of a
    /// schedule, where the level is given; [`ModelError::WrongImage`] for one whose output is
    /// not of the shape of its input.
    pub fn describe(&self, graph: &mut Graph, noisy: Value, level: Level) -> Result<Value, ModelError> {
        let NoiseRange { sigma_min, sigma_data, .. } = self.range;
        let [c_skip, c_out, c_in, c_noise] = match level {
            Level::Known(sigma) => {
                let Coefficients { c_skip, c_out, c_in, c_noise } =
                    self.preconditioning.coefficients(sigma, sigma_min, sigma_data);
                [c_skip, c_out, c_in, c_noise].map(|value| graph.constant(value))
            }
            Level::Given(sigma) => {
                let Coefficients { c_skip, c_out, c_in, c_noise } =
                    self.preconditioning.formulas(sigma_min, sigma_data).ok_or(ModelError::NoFormula)?;
                [c_skip, c_out, c_in, c_noise].map(|formula| graph.formula(&formula, sigma))
            }
        };
        let label = self.network.n_classes().map(|_| graph.input(Input::Label, Extent::Label));
        let scaled = graph.multiply(noisy, c_in);
        let output = self.network.describe(graph, scaled, c_noise, label)?;
        if let (Extent::Image { height, width, channels }, true) =
            (graph.extent(noisy), graph.extent(output) != graph.extent(noisy))
        {
            let found = [height, width, graph.extent(output).channels()];
            return Err(ModelError::WrongImage { found, expected: [height, width, channels] });
        }
        let passed = graph.multiply(noisy, c_skip);
        let output = graph.multiply(output, c_out);
        Ok(graph.add(passed, output))
    }
}

impl Denoiser for Preconditioned {
    /// Evaluates c_skip·x + c_out·F(c_in·x, c_noise) in f32; an f64 batch comes back as f64.
    ///
    /// # Source
    ///
    /// Karras et al. 2022 (arXiv:2206.00364), eq. 7. The coefficients are computed in f64 and rounded once,
    /// where both reference codes compute them in f32.
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let [batch, image @ ..] = noisy.dims();
        check_batch("noise levels", sigma.len(), batch)?;
        if image != self.network.image() {
            return Err(ModelError::WrongImage { found: image, expected: self.network.image() });
        }
        let dtype = noisy.dtype();
        let noisy = if dtype == DType::F64 { noisy.cast(DType::F32) } else { noisy };
        let NoiseRange { sigma_min, sigma_data, .. } = self.range;
        let at: Vec<_> = sigma
            .iter()
            .map(|&sigma| self.preconditioning.coefficients(sigma, sigma_min, sigma_data))
            .collect();
        let codes: Vec<f64> = at.iter().map(|at| at.c_noise).collect();
        let scaled = noisy.clone() * per_sample(at.iter().map(|at| at.c_in), &noisy);
        let output = self.network.forward(&self.weights, scaled, &codes, condition)?;
        let estimate = noisy.clone() * per_sample(at.iter().map(|at| at.c_skip), &noisy)
            + output * per_sample(at.iter().map(|at| at.c_out), &noisy);
        Ok(if dtype == DType::F64 { estimate.cast(DType::F64) } else { estimate })
    }

    fn sigma_min(&self) -> f64 {
        self.range.sigma_min
    }
}
