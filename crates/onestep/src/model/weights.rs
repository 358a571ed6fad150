//! Weights: the numbers of a network, apart from its structure.
//!
//! A network is a fixed structure (`Network`); student, target, averages and teacher are four sets of
//! [`Weights`] for it. Keeping the numbers outside makes an average a plain element-wise operation,
//! lets one structure run with and without gradients, and gives every tensor its published name.

use std::sync::Arc;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use onestep_kernels::{Layouts, Precision};

use super::{Init, ModelError, ParameterId, ParameterSpec, n_parameters};
use crate::arrays::NamedArrays;
use crate::noise::{Purpose, Stream};

/// One complete set of numbers for a network.
///
/// Values are kept flat, so that optimizers and averages need not know shapes; [`Weights::get`] gives
/// a layer its shape back, which costs nothing. Cloning shares the numbers.
#[derive(Debug, Clone)]
pub struct Weights {
    specs: Arc<[ParameterSpec]>,
    values: Vec<Tensor<1>>,
    /// Where the operators keep their layouts of each parameter; shared by clones, whose numbers are the same.
    layouts: Option<Arc<[Layouts]>>,
    /// Number of the parameter whose values come first; only a part of a network has not all of them.
    first: usize,
    recompute: bool,
    precision: Precision,
}

impl Weights {
    /// Draws starting values as each parameter's [`Init`] says.
    ///
    /// # Randomness
    ///
    /// A parameter's values depend on `seed` and its name alone, so that adding a layer does not
    /// change how the others start.
    pub fn initialize(specs: &Arc<[ParameterSpec]>, seed: u64, device: &Device) -> Self {
        let values = specs
            .iter()
            .map(|spec| {
                let n = spec.n_values();
                let mut stream = Stream::new(seed, Purpose::Initialize, name_key(&spec.name), 0);
                let values = match spec.init {
                    Init::Zeros => vec![0.0; n],
                    Init::Constant { value } => vec![value as f32; n],
                    Init::Uniform { bound } => {
                        (0..n).map(|_| ((2.0 * stream.uniform() - 1.0) * bound) as f32).collect()
                    }
                    Init::Normal { std } => {
                        stream.standard_normal(n).into_iter().map(|z| (f64::from(z) * std) as f32).collect()
                    }
                };
                Tensor::from_data(TensorData::new(values, [n]), device)
            })
            .collect();
        Self::whole(specs, values)
    }

    /// Puts flat values in the place of each parameter, in the order of `specs`.
    ///
    /// # Panics
    ///
    /// If the number of tensors, or the length of one, is not what `specs` says: values from outside
    /// go through [`Weights::from_named`], which checks them.
    pub fn from_values(specs: &Arc<[ParameterSpec]>, values: Vec<Tensor<1>>) -> Self {
        assert_eq!(specs.len(), values.len(), "one tensor for each parameter");
        for (spec, value) in specs.iter().zip(&values) {
            assert_eq!(spec.n_values(), value.dims()[0], "length of `{}`", spec.name);
        }
        Self::whole(specs, values)
    }

    fn whole(specs: &Arc<[ParameterSpec]>, values: Vec<Tensor<1>>) -> Self {
        let layouts = values.iter().map(|_| Layouts::default()).collect();
        Self {
            specs: specs.clone(),
            values,
            layouts: Some(layouts),
            first: 0,
            recompute: false,
            precision: Precision::F32,
        }
    }

    /// The parameters of a part of a network, from number `first` on; good for its layers alone.
    pub(super) fn part(
        specs: &Arc<[ParameterSpec]>,
        first: usize,
        values: Vec<Tensor<1>>,
        precision: Precision,
    ) -> Self {
        Self { first, layouts: None, precision, ..Self::whole(specs, values) }
    }

    /// These weights, to be multiplied in another precision; see [`Precision`].
    pub fn with_precision(&self, precision: Precision) -> Self {
        Self { precision, ..self.clone() }
    }

    /// In which precision the layers multiply.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// In which type layers store what other layers read: in bf16 where they multiply so and nothing is going to be differentiated.
    pub(super) fn storage(&self) -> Precision {
        if self.layouts.is_some() { self.precision } else { Precision::F32 }
    }

    /// Builds weights from named arrays, as read from a file.
    ///
    /// # Errors
    ///
    /// - [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`], [`ModelError::WrongShape`]: names and
    ///   shapes must be exactly those of `specs`.
    /// - [`ModelError::NotFinite`]: weights that hold NaN or infinity are never loaded.
    pub fn from_named(
        specs: &Arc<[ParameterSpec]>,
        mut named: NamedArrays,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut values = Vec::with_capacity(specs.len());
        for spec in specs.iter() {
            let (shape, data) = named.remove(&spec.name).ok_or_else(|| ModelError::MissingTensor {
                name: spec.name.clone(),
                shape: spec.shape.clone(),
            })?;
            if shape != spec.shape {
                return Err(ModelError::WrongShape {
                    name: spec.name.clone(),
                    found: shape,
                    expected: spec.shape.clone(),
                });
            }
            if let Some(index) = data.iter().position(|value| !value.is_finite()) {
                return Err(ModelError::NotFinite { name: spec.name.clone(), index });
            }
            let n = data.len();
            values.push(Tensor::from_data(TensorData::new(data, [n]), device));
        }
        match named.into_keys().next() {
            Some(name) => Err(ModelError::ExtraTensor { name }),
            None => Ok(Self::whole(specs, values)),
        }
    }

    /// The parameter `id` in its own shape.
    pub fn get<const D: usize>(&self, id: ParameterId) -> Tensor<D> {
        let shape: [usize; D] = self.specs[id.0]
            .shape
            .as_slice()
            .try_into()
            .unwrap_or_else(|_| panic!("`{}` does not have rank {D}", self.specs[id.0].name));
        self.values[id.0 - self.first].clone().reshape(shape)
    }

    /// Where the operators keep their layouts of the parameter `id`, unless it is about to change.
    pub(super) fn layouts(&self, id: ParameterId) -> Option<Layouts> {
        Some(self.layouts.as_ref()?[id.0 - self.first].clone())
    }

    /// Names, shapes and starting values, in order.
    pub fn specs(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }

    /// The flat values, in the order of [`Weights::specs`].
    pub fn values(&self) -> &[Tensor<1>] {
        &self.values
    }

    /// Each parameter with its flat values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ParameterSpec, &Tensor<1>)> {
        self.specs.iter().zip(&self.values)
    }

    /// Total number of trained values.
    pub fn n_parameters(&self) -> usize {
        n_parameters(&self.specs)
    }

    /// These weights as leaves of a new gradient graph; numbers that are not trained stay constants.
    pub fn tracked(&self) -> Self {
        let values = self
            .iter()
            .map(|(spec, value)| {
                let value = value.clone().inner();
                if spec.trainable { value.autodiff().require_grad() } else { value }
            })
            .collect();
        // Numbers that change with every step are not worth keeping in several layouts.
        Self { layouts: None, precision: self.precision, ..Self::whole(&self.specs, values) }
    }

    /// These weights as [`Weights::tracked`] gives them, where asked for with activation checkpointing: U-Nets then keep the
    /// inputs of their blocks alone and compute what is inside again in the backward pass.
    ///
    /// The gradients are those of [`Weights::tracked`], up to rounding. Measured on the CPU as peak memory of one
    /// step: 28 MB a sample become 10 for a DDPM++ of 64 channels at 32x32, 72 MB become 31 for OpenAI's U-Net
    /// of 64 channels at 64x64, and a step takes 1.25 to 1.4 times as long. What is left are the blocks' inputs,
    /// which the joins of a U-Net make large. Weights, gradients and moments are not affected, so it pays for
    /// large images and batches. The perceptron has no blocks and takes no notice.
    pub fn tracked_with(&self, checkpointing: bool) -> Self {
        Self { recompute: checkpointing, ..self.tracked() }
    }

    /// Whether blocks are to be computed again in the backward pass.
    pub(super) fn recomputes(&self) -> bool {
        self.recompute
    }

    /// Takes each parameter's gradient out of `gradients`, in order; zeros where the loss does not depend on it.
    pub fn gradients(&self, gradients: &mut Gradients) -> Vec<Tensor<1>> {
        self.values
            .iter()
            .map(|value| match value.grad_remove(gradients) {
                Some(gradient) => gradient,
                None => value.clone().inner().zeros_like(),
            })
            .collect()
    }

    /// These weights on another device.
    pub fn to_device(&self, device: &Device) -> Self {
        let values = self.values.iter().map(|value| value.clone().to_device(device)).collect();
        let Self { first, recompute, precision, .. } = *self;
        Self { first, recompute, precision, ..Self::whole(&self.specs, values) }
    }
}

/// A stable 64-bit key of a name (FNV-1a), the stream its starting values come from.
fn name_key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
