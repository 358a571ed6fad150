//! Parameters: what numbers a network needs, before there are any.

use std::sync::Arc;

use crate::size::ImageSize;

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All values are zero.
    Zeros,
    /// All values are the same number.
    Constant {
        /// The number.
        value: f64,
    },
    /// Values are uniform on [-bound, bound].
    Uniform {
        /// Largest absolute value.
        bound: f64,
    },
    /// Values are normal with mean zero.
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
    /// Number of values of the parameter.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Handle of one parameter, given out by [`Builder`] and redeemed by [`Weights::get`](super::Weights::get).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterId(pub(super) usize);

impl ParameterId {
    /// The place of the parameter among those of its network.
    pub fn index(self) -> usize {
        self.0
    }
}

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

    /// Says that the layers registered from here on work on feature maps of this size.
    pub fn feature_map(&mut self, size: ImageSize) {
        self.n_pixels = size.height * size.width;
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

/// Number of trained values in a list of parameters.
pub fn n_parameters(specs: &[ParameterSpec]) -> usize {
    specs.iter().filter(|spec| spec.trainable).map(ParameterSpec::n_values).sum()
}
