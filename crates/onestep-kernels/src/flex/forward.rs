//! The extension for Flex: f32 goes to the hand-written bodies, other types to the composed ones.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

use super::conv2d::{self, Geometry};
use super::memory::{Contiguous, dims, is_f32, tensor};
use super::tile::Kernels;
use crate::conv2d::Conv2dOptions;
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
}
