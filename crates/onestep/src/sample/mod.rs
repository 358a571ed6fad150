//! Samplers: the whole way from noise to data.
//!
//! [`sample_multistep`] is for consistency models; one step is its shortest case. [`sample_ode`] follows the
//! probability-flow ODE of a diffusion model, the teacher.

mod class;
mod error;
mod multistep;
mod ode;
mod plan;
mod sample_file;
#[cfg(feature = "formats")]
mod sample_npz;
mod sampler;
mod samples;
mod search;

use burn::tensor::{DType, Device, Tensor, TensorData};

pub use class::class_number;
pub use error::SampleError;
pub use multistep::{sample_multistep, sample_multistep_from};
pub use ode::{Churn, OdeEnd, OdeMethod, OdeOptions, sample_ode};
pub use plan::{
    Drawing, Plan, SampleSink, class_of_seed, classes_of_seeds, default_levels, generate, generate_into,
    trig_levels,
};
pub use sample_file::SampleFile;
#[cfg(feature = "formats")]
pub(crate) use sample_npz::{SampleNpz, npz_bytes};
pub use sampler::{ODE_LEVELS, Sampler, SamplerSettings, SamplingProfile};
pub use samples::{SampleGrid, Samples};
pub use search::{Found, search_levels};

use crate::model::{Condition, Denoiser, ModelError};
use crate::noise::NoiseSource;

/// What every sampler is told, besides the model and the levels.
pub struct Request<'a> {
    /// `[batch, height, width, channels]`.
    pub shape: [usize; 4],
    /// Labels, where the model wants them.
    pub condition: &'a Condition,
    /// Clamp every estimate to [-1, 1], as published for images. Data that is not images is not clamped.
    pub clamp: bool,
    /// Where the tensors live.
    pub device: &'a Device,
    /// Called after every jump with the estimate so far; answering false ends the sampling there.
    pub on_estimate: &'a mut dyn FnMut(&Tensor<4>) -> bool,
}

/// The next unit normals of a batch as a tensor.
pub(crate) fn draw(
    noise: &mut dyn NoiseSource,
    shape: [usize; 4],
    device: &Device,
    dtype: DType,
) -> Tensor<4> {
    let [batch, height, width, channels] = shape;
    let values = noise.standard_normal(batch, height * width * channels);
    let normals = Tensor::<4>::from_data(TensorData::new(values, shape), device);
    if dtype == DType::F64 { normals.cast(DType::F64) } else { normals }
}

/// Clamps images to [-1, 1] where asked.
pub(crate) fn clamped(images: Tensor<4>, clamp: bool) -> Tensor<4> {
    if clamp { images.clamp(-1.0, 1.0) } else { images }
}

/// A denoiser whose estimates are clamped to [-1, 1] where asked.
pub(crate) struct Clamped<'a> {
    pub model: &'a dyn Denoiser,
    pub clamp: bool,
}

impl Denoiser for Clamped<'_> {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        Ok(clamped(self.model.denoise(noisy, sigma, condition)?, self.clamp))
    }

    fn sigma_min(&self) -> f64 {
        self.model.sigma_min()
    }
}
