//! Norms and convolutions of Flex tensors, lent to the operators as slices.

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use super::profile::{self, Operation};
use super::storage::{Contiguous, dims, is_f32, is_half, like, stored_tensor, tensor};
use crate::loops::Kernels;
use crate::operators::convolution::tiles_for;
use crate::operators::{Affine, Convolution, Geometry, Images, Norm, Prologue, Source, Stored, Values};
use crate::simd::Precision;

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

    /// Whether input or residual are of type bf16 and all parameters of f32: what the layers of a network in bf16 have between them.
    pub(super) fn is_between_halves(&self) -> bool {
        let images = || [&self.input].into_iter().chain(&self.residual);
        let norm = self.norm.iter().flat_map(Norm::all);
        let parameters = [&self.weight].into_iter().chain(&self.bias).chain(norm);
        images().any(is_half) && images().all(|image| is_half(image) || is_f32([image])) && is_f32(parameters)
    }

    /// The output where something is or is to be stored in bf16.
    pub(super) fn forward_in_halves(&self) -> FlexTensor {
        let (kernels, geometry) = (Kernels::best(), self.geometry());
        let Some(loops) = tiles_for(&kernels, &geometry, self.precision) else {
            let full = |image: &FlexTensor| {
                if !is_half(image) {
                    return image.clone();
                }
                like(Contiguous::new(image).values().widened().into_owned(), image)
            };
            let residual = self.residual.as_ref().map(full);
            let output = Self { input: full(&self.input), residual, ..self.clone() }.forward().0;
            // Without tiles nothing reads bf16 faster.
            let narrow = self.store == Precision::Bf16 && kernels.tiles.is_some();
            if !narrow {
                return output;
            }
            let rounded = Stored::rounded(Contiguous::new(&output).as_slice());
            return stored_tensor(rounded, geometry.output_shape());
        };
        let tensors = self.map(Contiguous::new);
        let convolution = tensors.map(Contiguous::values);
        let affine = convolution.norm.as_ref().map(|norm| {
            let norm = norm.map(|values| values.full());
            (norm.options, self.statistics(&norm, convolution.input))
        });
        let prologue =
            affine.as_ref().map(|(options, affine)| Prologue::new(affine, *options, geometry.inputs));
        let _timed = profile::start(|| Operation::conv2d("forward", &geometry));
        stored_tensor(convolution.by_tiles(&loops, &geometry, prologue.as_ref()), geometry.output_shape())
    }

    /// The statistics of the norm in front: by the moments of the input where they are known, else by its values.
    fn statistics(&self, norm: &Norm<&[f32]>, values: Values) -> Affine {
        let _timed = profile::start(|| Operation::map("norm_act statistics", &self.input.shape()));
        let shape = dims(&self.input);
        match self.input_moments.as_ref().and_then(|moments| moments.known(shape)) {
            Some(moments) => norm.affine_by(shape[0], &moments),
            None => norm.affine_of_values(values, shape),
        }
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
        let affine = known.unwrap_or_else(|| Arc::new(self.statistics(&norm, Values::Full(images.values))));
        let source = norm.source(images, &affine);
        body(Slices { geometry, convolution, source }, Some(affine.clone()))
    }
}
