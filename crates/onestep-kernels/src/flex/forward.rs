//! The extension for Flex: f32 goes to the hand-written bodies, other types to the composed ones.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

use super::conv2d::{self, Geometry};
use super::memory::{Contiguous, dims, is_f32, tensor};
use super::norm_act::Norm;
use super::tile::Kernels;
use crate::conv2d::Conv2dOptions;
use crate::norm_act::NormActOptions;
use crate::{KernelOps, Optional, composed};

impl KernelOps for Flex {
    fn conv2d(
        input: FlexTensor,
        weight: FlexTensor,
        bias: Optional<Self>,
        options: Conv2dOptions,
    ) -> FlexTensor {
        let bias = bias.into_option();
        if !is_f32([&input, &weight].into_iter().chain(&bias)) {
            return composed::conv2d::<Self>(input, weight, bias, options);
        }
        let geometry = Geometry::new(dims(&input), dims(&weight), options);
        let [input, weight] = [&input, &weight].map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::new);
        let bias = bias.as_ref().map(Contiguous::as_slice);
        let output = conv2d::forward(
            &Kernels::best(),
            &geometry,
            input.as_slice(),
            weight.as_slice(),
            bias,
        );
        tensor(output, geometry.output_shape())
    }

    fn norm_act(
        input: FlexTensor,
        gain: FlexTensor,
        offset: FlexTensor,
        scale: Optional<Self>,
        shift: Optional<Self>,
        options: NormActOptions,
    ) -> FlexTensor {
        let (scale, shift) = (scale.into_option(), shift.into_option());
        if !is_f32(
            [&input, &gain, &offset]
                .into_iter()
                .chain(&scale)
                .chain(&shift),
        ) {
            return composed::norm_act::<Self>(input, gain, offset, scale.zip(shift), options);
        }
        let tensors = NormTensors {
            input,
            gain,
            offset,
            scale,
            shift,
            options,
        };
        tensors.with(|norm| tensor(norm.forward(&norm.affine()), dims::<4>(&tensors.input)))
    }
}

/// The arguments of a normalisation as tensors.
#[derive(Debug, Clone)]
pub(super) struct NormTensors {
    pub input: FlexTensor,
    pub gain: FlexTensor,
    pub offset: FlexTensor,
    pub scale: Option<FlexTensor>,
    pub shift: Option<FlexTensor>,
    pub options: NormActOptions,
}

impl NormTensors {
    /// Lends them as slices.
    pub(super) fn with<R>(&self, body: impl FnOnce(&Norm) -> R) -> R {
        let [batch, height, width, channels] = dims(&self.input);
        let [input, gain, offset] = [&self.input, &self.gain, &self.offset].map(Contiguous::new);
        let [scale, shift] =
            [&self.scale, &self.shift].map(|tensor| tensor.as_ref().map(Contiguous::new));
        body(&Norm {
            input: input.as_slice(),
            gain: gain.as_slice(),
            offset: offset.as_slice(),
            scale: scale.as_ref().map(Contiguous::as_slice),
            shift: shift.as_ref().map(Contiguous::as_slice),
            batch,
            pixels: height * width,
            channels,
            options: self.options,
        })
    }
}
