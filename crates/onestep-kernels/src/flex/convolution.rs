//! A convolution with the normalisation before it and the sum after it, on tensors.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use super::conv2d::{self, Geometry};
use super::forward::NormTensors;
use super::kernels::Kernels;
use super::layouts::Layouts;
use super::memory::{Contiguous, dims, is_f32, tensor};
use super::norm_act::Affine;
use super::product::Epilogue;
use crate::conv2d::ConvolutionOptions;
use crate::profile::{self, Operation};

/// The arguments of a convolution as tensors.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    pub input: FlexTensor,
    /// Gain, offset, and scale and shift, if the input is to be normalised.
    pub norm: Option<NormTensors>,
    pub weight: FlexTensor,
    pub bias: Option<FlexTensor>,
    pub residual: Option<FlexTensor>,
    pub options: ConvolutionOptions,
}

/// The statistics of the normalisation, if there is one.
pub(super) type Statistics = Option<Arc<Affine>>;

impl Convolution {
    /// Whether the hand-written bodies can take it.
    pub(super) fn is_f32(&self) -> bool {
        let norm = self.norm.iter().flat_map(NormTensors::tensors);
        is_f32([&self.input, &self.weight].into_iter().chain(&self.bias).chain(&self.residual).chain(norm))
    }

    pub(super) fn geometry(&self) -> Geometry {
        Geometry::new(dims(&self.input), dims(&self.weight), self.options.conv)
    }

    /// Output and statistics.
    pub(super) fn forward(&self) -> (FlexTensor, Statistics) {
        let (kernels, geometry) = (Kernels::best(), self.geometry());
        let [weight] = [&self.weight].map(Contiguous::new);
        let [bias, residual] =
            [&self.bias, &self.residual].map(|tensor| tensor.as_ref().map(Contiguous::new));
        let epilogue = Epilogue {
            bias: bias.as_ref().map(Contiguous::as_slice),
            residual: residual.as_ref().map(Contiguous::as_slice),
            factor: self.options.factor as f32,
            bounds: self.options.rectifier.bounds(),
        };
        let layouts = self.options.layouts.as_ref().filter(|_| pays_to_keep(&geometry));
        let how = (self.options.precision, layouts);
        let (output, statistics) = self.with_input(None, |input, statistics| {
            let _timed = profile::start(|| Operation::conv2d("forward", &geometry));
            let output = conv2d::forward(&kernels, &geometry, input, weight.as_slice(), how, &epilogue);
            (output, statistics)
        });
        (tensor(output, geometry.output_shape()), statistics)
    }

    /// Lends the input and what is to be done to it, by known statistics or by new ones.
    pub(super) fn with_input<R>(
        &self,
        statistics: Statistics,
        body: impl FnOnce(&conv2d::Input, Statistics) -> R,
    ) -> R {
        match &self.norm {
            Some(norm) => norm.with(&self.input, |norm| {
                let affine = statistics.unwrap_or_else(|| {
                    let _timed =
                        profile::start(|| Operation::map("norm_act statistics", &self.input.shape()));
                    Arc::new(norm.affine())
                });
                body(&conv2d::Input::Normalised(norm, &affine), Some(affine.clone()))
            }),
            None => body(&conv2d::Input::Plain(Contiguous::new(&self.input).as_slice()), None),
        }
    }
}

/// Whether making the layouts of the weights anew would be a good part of the work of such a call.
fn pays_to_keep(geometry: &Geometry) -> bool {
    let [height, width] = geometry.output_size();
    geometry.batch * height * width <= 2048
}

/// The panels of a linear layer's weights: kept for few rows, as [`pays_to_keep`] says.
pub(super) fn layouts_for_rows(layouts: &Option<Layouts>, rows: usize) -> Option<&Layouts> {
    layouts.as_ref().filter(|_| rows <= 256)
}
