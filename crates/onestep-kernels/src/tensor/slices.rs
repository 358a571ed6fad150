//! Norms and convolutions of Flex tensors, lent to the operators as slices.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use super::profile::{self, Operation};
use super::storage::{Contiguous, dims, tensor};
use crate::loops::Kernels;
use crate::operators::{Affine, Convolution, Geometry, Images, Norm, Source};

impl Norm<FlexTensor> {
    /// Lends it and the input as slices.
    pub(super) fn with<R>(&self, input: &FlexTensor, body: impl FnOnce(Norm<&[f32]>, Images<'_>) -> R) -> R {
        let (norm, values) = (self.map(Contiguous::new), Contiguous::new(input));
        body(norm.map(Contiguous::as_slice), Images::new(values.as_slice(), dims(input)))
    }
}

/// The statistics of the normalisation, if there is one.
pub(super) type Statistics = Option<Arc<Affine>>;

/// A convolution as the operators take it.
pub(super) struct Slices<'a> {
    pub geometry: Geometry,
    pub convolution: Convolution<&'a [f32]>,
    /// The input with the norm in front of it.
    pub source: Source<'a>,
}

impl Convolution<FlexTensor> {
    /// Its sizes.
    pub(super) fn geometry(&self) -> Geometry {
        Geometry::new(dims(&self.input), dims(&self.weight), self.options)
    }

    /// Output and statistics.
    pub(super) fn forward(&self) -> (FlexTensor, Statistics) {
        self.with(None, |Slices { geometry, convolution, source }, statistics| {
            let _timed = profile::start(|| Operation::conv2d("forward", &geometry));
            let output = convolution.forward(&Kernels::best(), &geometry, &source);
            (tensor(output, geometry.output_shape()), statistics)
        })
    }

    /// Lends it as slices, normalised by known statistics or by new ones.
    pub(super) fn with<R>(&self, known: Statistics, body: impl FnOnce(Slices<'_>, Statistics) -> R) -> R {
        let (geometry, tensors) = (self.geometry(), self.map(Contiguous::new));
        let convolution = tensors.map(Contiguous::as_slice);
        let images = Images::new(convolution.input, geometry.input_shape());
        let Some(norm) = convolution.norm else {
            return body(Slices { geometry, convolution, source: Source::plain(images) }, None);
        };
        let affine = known.unwrap_or_else(|| {
            if let Some(moments) = &convolution.input_moments
                && let Some(moments) = moments.known(geometry.input_shape())
            {
                return Arc::new(norm.affine_by(geometry.batch, &moments));
            }
            let _timed = profile::start(|| Operation::map("norm_act statistics", &self.input.shape()));
            Arc::new(norm.affine(&images))
        });
        let source = norm.source(images, &affine);
        body(Slices { geometry, convolution, source }, Some(affine.clone()))
    }
}
