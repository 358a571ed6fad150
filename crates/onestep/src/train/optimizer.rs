//! Optimizers: RAdam, which the consistency-model papers use, Adam and AdamW.
//!
//! The state is two flat tensors a parameter and a count, and can be saved and restored to the bit. Scalars are
//! computed in f64 on the host; everything element-wise is one fused operation of `onestep-kernels`.

use burn::tensor::{Device, Tensor, TensorData};
use onestep_kernels::{AdamCoefficients, adam_update};
use serde::{Deserialize, Serialize};

use crate::arrays::NamedArrays;
use crate::model::Weights;

/// Which optimizer, with everything but the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// Adam with its variance rectified: no warm-up needed. What OpenAI's consistency models were trained with.
    Radam(RadamConfig),
    /// Adam; weight decay is added to the gradient.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay.
    Adamw(AdamConfig),
}

/// The numbers of Adam and AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay of the first moment at each step.
    pub beta1: f64,
    /// Decay of the second moment at each step.
    pub beta2: f64,
    /// Keeps the denominator away from zero.
    pub epsilon: f64,
    /// Pull towards zero. 0, not the 0.01 that PyTorch's AdamW has: no published recipe of this family uses any.
    pub weight_decay: f64,
}

/// The numbers of RAdam.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RadamConfig {
    /// Decay of the first moment at each step.
    pub beta1: f64,
    /// Decay of the second moment at each step.
    pub beta2: f64,
    /// Keeps the denominator away from zero.
    pub epsilon: f64,
    /// Pull towards zero.
    pub weight_decay: f64,
    /// Whether weight decay shrinks the parameter as in AdamW instead of being added to the gradient.
    pub decoupled: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Radam(RadamConfig::default())
    }
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Default for RadamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

/// An optimizer that cannot work, or a saved state that does not fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// A number outside its range.
    #[error("the optimizer's `{field}` must be {range}, got {value}")]
    BadNumber {
        /// Which number.
        field: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it is.
        value: f64,
    },
    /// A moment that the network needs is not in the saved state.
    #[error("optimizer state `{name}` is missing; the network needs {n_values} values")]
    MissingMoment {
        /// Name of the array.
        name: String,
        /// Number of values the network's parameter has.
        n_values: usize,
    },
    /// A moment in the saved state has another length than its parameter.
    #[error("optimizer state `{name}` has {found} values, the network needs {expected}")]
    WrongLength {
        /// Name of the array.
        name: String,
        /// Number of values in the saved state.
        found: usize,
        /// Number of values of the parameter.
        expected: usize,
    },
    /// The saved state has an array that belongs to no trained parameter.
    #[error("optimizer state `{name}` belongs to no trained parameter of this network")]
    ExtraMoment {
        /// Name of the array.
        name: String,
    },
}

impl OptimizerConfig {
    /// Refuses numbers that no optimizer can work with.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::BadNumber`], naming the field as recipes do.
    pub fn check(&self) -> Result<(), OptimizerError> {
        let AdamConfig { beta1, beta2, epsilon, weight_decay } = self.numbers();
        let bad = |field, range, value| Err(OptimizerError::BadNumber { field, range, value });
        // Written so that NaN fails too.
        for (field, value) in [("beta1", beta1), ("beta2", beta2)] {
            if !(0.0..1.0).contains(&value) {
                return bad(field, "at least 0 and below 1", value);
            }
        }
        if !(0.0 < epsilon && epsilon.is_finite()) {
            return bad("epsilon", "positive", epsilon);
        }
        if !(0.0 <= weight_decay && weight_decay.is_finite()) {
            return bad("weight_decay", "zero or positive", weight_decay);
        }
        Ok(())
    }

    fn numbers(&self) -> AdamConfig {
        match *self {
            Self::Adam(config) | Self::Adamw(config) => config,
            Self::Radam(RadamConfig { beta1, beta2, epsilon, weight_decay, decoupled: _ }) => {
                AdamConfig { beta1, beta2, epsilon, weight_decay }
            }
        }
    }

    /// The coefficients of update number `step`, counted from 1.
    fn coefficients(&self, learning_rate: f64, step: u64) -> AdamCoefficients {
        let AdamConfig { beta1, beta2, epsilon, weight_decay } = self.numbers();
        let betas = [beta1, beta2];
        let coefficients = match self {
            Self::Radam(_) => AdamCoefficients::radam(learning_rate, betas, epsilon, step),
            Self::Adam(_) | Self::Adamw(_) => AdamCoefficients::adam(learning_rate, betas, epsilon, step),
        };
        match self {
            Self::Adamw(_) | Self::Radam(RadamConfig { decoupled: true, .. }) => {
                coefficients.with_decoupled_decay(learning_rate * weight_decay)
            }
            Self::Adam(_) | Self::Radam(_) => coefficients.with_coupled_decay(weight_decay),
        }
    }
}

/// An optimizer with its state.
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    step: u64,
    /// One entry a parameter, in order; none for numbers that are not trained.
    moments: Vec<Option<Moments>>,
}

/// Running averages of a parameter's gradient and of its square.
#[derive(Debug, Clone)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

impl Optimizer {
    /// An optimizer before its first update.
    pub fn new(config: OptimizerConfig, weights: &Weights) -> Self {
        let moments = weights
            .iter()
            .map(|(spec, value)| {
                let zeros = || value.clone().inner().zeros_like();
                spec.trainable.then(|| Moments { first: zeros(), second: zeros() })
            })
            .collect();
        Self { config, step: 0, moments }
    }

    /// Takes one step against `gradients` and returns the new weights; numbers that are not trained stay as they are.
    ///
    /// # Shapes
    ///
    /// `gradients`: one flat tensor a parameter, in the order of the weights, as [`Weights::gradients`] returns them.
    ///
    /// # Panics
    ///
    /// If the gradients or the weights are not those of the network the optimizer was made for.
    ///
    /// # Source
    ///
    /// `torch.optim.RAdam`, `Adam` and `AdamW` of PyTorch 2, to the order of rounding: see [`AdamCoefficients`].
    pub fn update(&mut self, weights: &Weights, gradients: &[Tensor<1>], learning_rate: f64) -> Weights {
        assert_eq!(self.moments.len(), weights.values().len(), "optimizer and weights of the same network");
        assert_eq!(self.moments.len(), gradients.len(), "one gradient for each parameter");
        self.step += 1;
        let coefficients = self.config.coefficients(learning_rate, self.step);
        let values = weights
            .values()
            .iter()
            .zip(gradients)
            .zip(&mut self.moments)
            .map(|((value, gradient), moments)| {
                let value = value.clone().inner();
                let Some(Moments { first, second }) = moments.take() else { return value };
                let (value, first, second) =
                    adam_update(value, gradient.clone(), first, second, coefficients);
                *moments = Some(Moments { first, second });
                value
            })
            .collect();
        Weights::from_values(weights.specs(), values)
    }

    /// Which optimizer this is.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// Number of updates taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The moments by name, `first.NAME` and `second.NAME`, each with its flat tensor.
    pub(crate) fn named_moments(&self, weights: &Weights) -> Vec<(String, Tensor<1>)> {
        let mut named = Vec::with_capacity(2 * self.moments.len());
        for (spec, moments) in weights.specs().iter().zip(&self.moments) {
            if let Some(Moments { first, second }) = moments {
                named.push((format!("first.{}", spec.name), first.clone()));
                named.push((format!("second.{}", spec.name), second.clone()));
            }
        }
        named
    }

    /// The moments as arrays: with [`Optimizer::config`] and [`Optimizer::step`], all there is to save.
    ///
    /// Values are f32, as training keeps them; an optimizer of f64 weights would be rounded.
    pub fn state(&self, weights: &Weights) -> NamedArrays {
        self.named_moments(weights)
            .into_iter()
            .map(|(name, moment)| {
                let values: Vec<f32> =
                    moment.into_data().convert::<f32>().try_into_vec().expect("just converted");
                (name, (vec![values.len()], values))
            })
            .collect()
    }

    /// The optimizer that [`Optimizer::state`] was taken from.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::MissingMoment`], [`OptimizerError::WrongLength`] or [`OptimizerError::ExtraMoment`] if the
    /// arrays are not exactly those of the network's trained parameters.
    pub fn restore(
        config: OptimizerConfig,
        step: u64,
        mut arrays: NamedArrays,
        weights: &Weights,
        device: &Device,
    ) -> Result<Self, OptimizerError> {
        let mut take = |name: String, n_values: usize| match arrays.remove(&name) {
            None => Err(OptimizerError::MissingMoment { name, n_values }),
            Some((_, values)) if values.len() != n_values => {
                Err(OptimizerError::WrongLength { name, found: values.len(), expected: n_values })
            }
            Some((_, values)) => Ok(Tensor::from_data(TensorData::new(values, [n_values]), device)),
        };
        let mut moments = Vec::with_capacity(weights.specs().len());
        for spec in weights.specs().iter() {
            moments.push(if spec.trainable {
                Some(Moments {
                    first: take(format!("first.{}", spec.name), spec.n_values())?,
                    second: take(format!("second.{}", spec.name), spec.n_values())?,
                })
            } else {
                None
            });
        }
        match arrays.into_keys().next() {
            Some(name) => Err(OptimizerError::ExtraMoment { name }),
            None => Ok(Self { config, step, moments }),
        }
    }
}
