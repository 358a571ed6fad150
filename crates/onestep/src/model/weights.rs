//! Weights: the numbers of a network, apart from its structure.
//!
//! A network is a fixed structure (`Network`); student, target, averages and teacher are four sets of
//! [`Weights`] for it. Keeping the numbers outside makes an average a plain element-wise operation,
//! lets one structure run with and without gradients, and gives every tensor its published name.

use std::sync::Arc;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use onestep_kernels::{Layouts, Precision};

use super::ModelError;
use crate::noise::{Purpose, Stream};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All the same.
    Constant {
        /// The number.
        value: f64,
    },
    /// Uniform on [-bound, bound].
    Uniform {
        /// Largest absolute value.
        bound: f64,
    },
    /// Normal with mean zero.
    Normal {
        /// Standard deviation.
        std: f64,
    },
}

impl Init {
    /// PyTorch's default for convolutions and linear layers, weight and bias alike: uniform with bound 1/√fan_in.
    pub fn fan_in(fan_in: usize) -> Self {
        Self::Uniform { bound: 1.0 / (fan_in as f64).sqrt() }
    }

    /// Xavier's uniform initialization times `gain`: bound gain·√(6/(fan_in + fan_out)).
    pub fn xavier_uniform(fan_in: usize, fan_out: usize, gain: f64) -> Self {
        Self::Uniform { bound: gain * (6.0 / (fan_in + fan_out) as f64).sqrt() }
    }

    /// Kaiming's uniform initialization times `gain`: bound gain·√(3/fan_in).
    pub fn kaiming_uniform(fan_in: usize, gain: f64) -> Self {
        Self::Uniform { bound: gain * (3.0 / fan_in as f64).sqrt() }
    }

    /// Kaiming's normal initialization times `gain`: deviation gain/√fan_in.
    pub fn kaiming_normal(fan_in: usize, gain: f64) -> Self {
        Self::Normal { std: gain / (fan_in as f64).sqrt() }
    }
}

/// One named array of numbers that a network needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Published name, as in the checkpoints of the network's family.
    pub name: String,
    /// Shape: convolutions `[kernel_h, kernel_w, in, out]`, linear layers `[in, out]`.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// False for numbers that are stored but never trained (the frequencies of a Fourier embedding).
    pub trainable: bool,
    /// Values a sample that the layer keeps between its forward and its backward pass, told once a layer.
    pub kept: usize,
}

impl ParameterSpec {
    /// Number of values.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Handle of one parameter, given out by [`Builder`] and redeemed by [`Weights::get`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterId(usize);

/// Collects the parameters while a network's structure is laid out.
#[derive(Debug, Default)]
pub struct Builder {
    specs: Vec<ParameterSpec>,
    n_random_layers: u32,
    n_pixels: usize,
}

impl Builder {
    /// Registers a trained parameter.
    pub fn parameter(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> ParameterId {
        self.push(name.into(), shape, init, true)
    }

    /// Registers numbers that are stored with the weights but never trained.
    pub fn buffer(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> ParameterId {
        self.push(name.into(), shape, init, false)
    }

    /// Number of parameters registered so far: that of the next one.
    pub fn n_registered(&self) -> usize {
        self.specs.len()
    }

    /// A number that no other layer of this network gets: what tells the masks of its dropouts apart.
    pub fn random_layer(&mut self) -> u32 {
        self.n_random_layers += 1;
        self.n_random_layers - 1
    }

    /// Says that the layers registered from here on work on feature maps of `size` by `size` pixels.
    pub fn feature_map(&mut self, size: usize) {
        self.n_pixels = size * size;
    }

    /// Says that the last layer registered keeps so many values a pixel for its backward pass.
    pub fn keeps(&mut self, values_per_pixel: usize) {
        if let Some(spec) = self.specs.last_mut() {
            spec.kept += values_per_pixel * self.n_pixels.max(1);
        }
    }

    fn push(&mut self, name: String, shape: &[usize], init: Init, trainable: bool) -> ParameterId {
        debug_assert!(self.specs.iter().all(|spec| spec.name != name), "parameter `{name}` twice");
        self.specs.push(ParameterSpec { name, shape: shape.to_vec(), init, trainable, kept: 0 });
        ParameterId(self.specs.len() - 1)
    }

    /// The list of parameters, in the order they were registered.
    pub fn finish(self) -> Arc<[ParameterSpec]> {
        self.specs.into()
    }
}

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

    /// The same numbers, to be multiplied in another precision; see [`Precision`].
    pub fn with_precision(&self, precision: Precision) -> Self {
        Self { precision, ..self.clone() }
    }

    /// In which precision the layers multiply.
    pub fn precision(&self) -> Precision {
        self.precision
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
        mut named: std::collections::BTreeMap<String, (Vec<usize>, Vec<f32>)>,
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

    /// The same numbers as leaves of a new gradient graph; numbers that are not trained stay constants.
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

    /// As [`Weights::tracked`], and, where asked for, with activation checkpointing: U-Nets then keep the
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

    /// The same numbers on another device.
    pub fn to_device(&self, device: &Device) -> Self {
        let values = self.values.iter().map(|value| value.clone().to_device(device)).collect();
        let Self { first, recompute, precision, .. } = *self;
        Self { first, recompute, precision, ..Self::whole(&self.specs, values) }
    }
}

/// Number of trained values in a list of parameters.
pub fn n_parameters(specs: &[ParameterSpec]) -> usize {
    specs.iter().filter(|spec| spec.trainable).map(ParameterSpec::n_values).sum()
}

/// A stable 64-bit key of a name (FNV-1a), the stream its starting values come from.
fn name_key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
