//! The extension for autodiff over Flex: hand-written gradients in f32, burn's own for other types.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};

use super::conv2d::{self, Geometry};
use super::memory::{Contiguous, dims, is_f32, tensor};
use super::tile::Kernels;
use crate::conv2d::Conv2dOptions;
use crate::{KernelOps, Optional, composed};

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Takes an optional tensor apart; an absent one has a node that wants no gradient.
fn optional_parts<C: CheckpointStrategy>(
    tensor: Option<Tracked<C>>,
) -> (Option<FlexTensor>, NodeGuard) {
    match tensor {
        Some(tensor) => {
            let (primitive, node) = tensor.into_parts();
            (Some(primitive), node)
        }
        None => {
            let nothing = tensor_of_nothing();
            (None, Autodiff::<Flex, C>::from_inner(nothing).node())
        }
    }
}

fn tensor_of_nothing() -> FlexTensor {
    tensor(Vec::new(), [0])
}

fn optional(tensor: Option<FlexTensor>) -> Optional<Flex> {
    tensor.map_or(Optional::Absent, Optional::Given)
}

impl<C: CheckpointStrategy> KernelOps for Autodiff<Flex, C> {
    fn conv2d(
        input: Tracked<C>,
        weight: Tracked<C>,
        bias: Optional<Self>,
        options: Conv2dOptions,
    ) -> Tracked<C> {
        let bias = bias.into_option();
        let primitives = [&input, &weight]
            .into_iter()
            .chain(&bias)
            .map(|tensor| tensor.primitive());
        if !is_f32(primitives) {
            return composed::conv2d::<Self>(input, weight, bias, options);
        }
        let ((input, input_node), (weight, weight_node)) =
            (input.into_parts(), weight.into_parts());
        let (bias, bias_node) = optional_parts::<C>(bias);
        let prepared = Conv2dBackward
            .prepare::<C>([input_node, weight_node, bias_node])
            .compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => {
                let output = Flex::conv2d(input.clone(), weight.clone(), optional(bias), options);
                prepared.finish((input, weight, options), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(Flex::conv2d(input, weight, optional(bias), options))
            }
        }
    }
}

#[derive(Debug)]
struct Conv2dBackward;

impl Backward<Flex, 3> for Conv2dBackward {
    type State = (FlexTensor, FlexTensor, Conv2dOptions);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input_node, weight_node, bias_node] = ops.parents;
        let (input, weight, options) = ops.state;
        let gradient = Contiguous::new(&gradients.consume::<Flex>(&ops.node));
        let geometry = Geometry::new(dims(&input), dims(&weight), options);
        let (kernels, gradient) = (Kernels::best(), gradient.as_slice());
        if let Some(node) = input_node {
            let weight = Contiguous::new(&weight);
            let values = conv2d::input_gradient(&kernels, &geometry, weight.as_slice(), gradient);
            gradients.register::<Flex>(node.id, tensor(values, geometry.input_shape()));
        }
        if let Some(node) = weight_node {
            let input = Contiguous::new(&input);
            let values = conv2d::weight_gradient(&kernels, &geometry, input.as_slice(), gradient);
            gradients.register::<Flex>(node.id, tensor(values, geometry.weight_shape()));
        }
        if let Some(node) = bias_node {
            let values = conv2d::bias_gradient(&geometry, gradient);
            gradients.register::<Flex>(node.id, tensor(values, [geometry.outputs]));
        }
    }
}
