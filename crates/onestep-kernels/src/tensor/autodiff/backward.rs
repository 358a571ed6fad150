//! The gradients of the operators as autodiff asks for them.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};

use super::super::extension::KernelOps;
use super::super::profile::{self, Operation};
use super::super::slices::{Slices, Statistics};
use super::super::storage::{Contiguous, dims, like, tensor};
use crate::loops::Kernels;
use crate::operators::attention::{self, AttentionSizes};
use crate::operators::convolution::{
    bias_gradient, input_gradient, scale_with_bias_gradient, weight_gradient,
};
use crate::operators::{
    Affine, Convolution, DropoutMask, LinearMap, Norm, NormGradients, concat, elementwise, linear,
};
use crate::simd::Precision;

/// As many feature maps can be joined by one operation.
pub(super) const JOINED: usize = 6;

/// The gradients of a convolution with what stands before and after it; of input and weight, bias and residual, gain, offset,
/// scale and shift.
#[derive(Debug)]
pub(super) struct ConvolutionBackward;

impl Backward<Flex, 8> for ConvolutionBackward {
    type State = (Convolution<FlexTensor>, Statistics);

    fn backward(self, ops: Ops<Self::State, 8>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input_node, weight_node, bias_node, residual_node, norm_nodes @ ..] = ops.parents;
        let (convolution, statistics) = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node);
        let factor = convolution.factor;
        let mut bias_wanted = bias_node.zip(convolution.bias.as_ref().map(dims::<2>));
        if factor != 1.0 {
            let _timed = profile::start(|| Operation::map("scale gradient", &gradient.shape()));
            // Where nobody else has it, it is scaled where it lies.
            let whole =
                gradient.is_contiguous() && gradient.bytes().len() == 4 * gradient.shape().num_elements();
            let own = if whole { gradient.try_storage_mut::<f32>() } else { None };
            match (own, bias_wanted) {
                (Some(values), Some((node, shape))) => {
                    let geometry = convolution.geometry();
                    let bias = scale_with_bias_gradient(&geometry, values, factor, shape[0] != 1);
                    gradients.register::<Flex>(node.id, tensor(bias, shape));
                    bias_wanted = None;
                }
                (_, wanted) => {
                    gradient =
                        like(elementwise::scaled(Contiguous::new(&gradient).as_slice(), factor), &gradient);
                    bias_wanted = wanted;
                }
            }
        }
        if let Some(node) = residual_node {
            gradients.register::<Flex>(node.id, gradient.clone());
        }
        let gradient = Contiguous::new(&gradient);
        let (kernels, gradient) = (Kernels::best(), gradient.as_slice());
        if let Some((node, shape)) = bias_wanted {
            let geometry = convolution.geometry();
            let _timed = profile::start(|| Operation::map("conv2d bias gradient", &geometry.output_shape()));
            let values = bias_gradient(&geometry, gradient, shape[0] != 1);
            gradients.register::<Flex>(node.id, tensor(values, shape));
        }
        convolution.with(statistics, |Slices { geometry, convolution, source }, statistics| {
            if let Some(node) = weight_node {
                let _timed = profile::start(|| Operation::conv2d("weight gradient", &geometry));
                let values = weight_gradient(&kernels, &geometry, &source, gradient, convolution.precision);
                gradients.register::<Flex>(node.id, tensor(values, geometry.weight_shape()));
            }
            if input_node.is_none() && norm_nodes.iter().all(Option::is_none) {
                return;
            }
            let timed = profile::start(|| Operation::conv2d("data gradient", &geometry));
            let (weight, precision) = (convolution.weight, convolution.precision);
            let values = input_gradient(&kernels, &geometry, weight, gradient, precision);
            drop(timed);
            let shape = geometry.input_shape();
            if let (Some(norm), Some(affine)) = (convolution.norm, statistics) {
                let _timed = profile::start(|| Operation::map("norm_act gradient", &shape));
                let result = norm.backward(&source.images, &affine, &values);
                let others = norm_nodes.each_ref().map(|node| node.as_ref().map(|node| node.id));
                register_norm(gradients, input_node.map(|node| node.id), others, result, shape);
            } else if let Some(node) = input_node {
                gradients.register::<Flex>(node.id, tensor(values, shape));
            }
        });
    }
}

/// Registers the gradients of a normalisation of an input of this shape: by the nodes of the input, and of gain, offset, scale
/// and shift.
fn register_norm(
    gradients: &mut Gradients,
    input: Option<NodeId>,
    others: [Option<NodeId>; 4],
    result: NormGradients,
    shape: [usize; 4],
) {
    let [batch, _, _, channels] = shape;
    let results = [
        tensor(result.gain, [channels]),
        tensor(result.offset, [channels]),
        tensor(result.scale, [batch, channels]),
        tensor(result.shift, [batch, channels]),
    ];
    for (node, result) in others.into_iter().zip(results).chain([(input, tensor(result.input, shape))]) {
        if let Some(node) = node {
            gradients.register::<Flex>(node, result);
        }
    }
}

/// The gradients of a normalisation; of the input, gain, offset, scale and shift.
#[derive(Debug)]
pub(super) struct NormActBackward;

impl Backward<Flex, 5> for NormActBackward {
    type State = (FlexTensor, Norm<FlexTensor>, Arc<Affine>);

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (input, norm, affine) = ops.state;
        let [input_node, norm_nodes @ ..] = ops.parents;
        let gradient = Contiguous::new(&gradients.consume::<Flex>(&ops.node));
        let _timed = profile::start(|| Operation::map("norm_act gradient", &input.shape()));
        let result = norm.with(&input, |norm, images| norm.backward(&images, &affine, gradient.as_slice()));
        let others = norm_nodes.map(|node| node.map(|node| node.id));
        register_norm(gradients, input_node.map(|node| node.id), others, result, dims(&input));
    }
}

/// The gradient of attention.
#[derive(Debug)]
pub(super) struct AttentionBackward;

impl Backward<Flex, 1> for AttentionBackward {
    type State = (FlexTensor, usize, Precision);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let (qkv, heads, precision) = ops.state;
            let sizes = AttentionSizes::new(dims(&qkv), heads);
            let _timed = profile::start(|| Operation::attention("gradient", 4, &sizes));
            let [values, gradient] = [&qkv, &gradient].map(Contiguous::new);
            let (kernels, values, gradient) = (Kernels::best(), values.as_slice(), gradient.as_slice());
            let result = attention::backward(&kernels, &sizes, values, gradient, precision);
            like(result, &qkv)
        });
    }
}

/// The gradients of a linear layer; of input, weight and bias.
#[derive(Debug)]
pub(super) struct LinearBackward;

impl Backward<Flex, 3> for LinearBackward {
    type State = [FlexTensor; 2];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input_node, weight_node, bias_node] = ops.parents;
        let [input, weight] = ops.state;
        let gradient = Contiguous::new(&gradients.consume::<Flex>(&ops.node));
        let (kernels, gradient) = (Kernels::best(), gradient.as_slice());
        let ([rows, inputs], [_, outputs]) = (dims(&input), dims::<2>(&weight));
        let sizes = [rows, inputs, outputs];
        if let Some(node) = input_node {
            let _timed = profile::start(|| Operation::linear("data gradient", sizes));
            let values =
                linear::input_gradient(&kernels, sizes, Contiguous::new(&weight).as_slice(), gradient);
            gradients.register::<Flex>(node.id, tensor(values, [rows, inputs]));
        }
        if let Some(node) = weight_node {
            let _timed = profile::start(|| Operation::linear("weight gradient", sizes));
            let values =
                linear::weight_gradient(&kernels, sizes, Contiguous::new(&input).as_slice(), gradient);
            gradients.register::<Flex>(node.id, tensor(values, [inputs, outputs]));
        }
        if let Some(node) = bias_node {
            let _timed = profile::start(|| Operation::map("linear bias gradient", &[rows, outputs]));
            gradients.register::<Flex>(node.id, tensor(linear::bias_gradient(outputs, gradient), [outputs]));
        }
    }
}

/// The gradients of feature maps that were joined: of each, its own channels.
///
/// They are tensors of their own and no views: whatever comes next goes through their numbers in order.
#[derive(Debug)]
pub(super) struct ConcatBackward;

impl Backward<Flex, JOINED> for ConcatBackward {
    /// The channels of each.
    type State = Vec<usize>;

    fn backward(self, ops: Ops<Self::State, JOINED>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let _timed = profile::start(|| Operation::map("concat gradient", &gradient.shape()));
        let [batch, height, width, joined] = dims(&gradient);
        let (gradient, mut first) = (Contiguous::new(&gradient), 0);
        for (node, channels) in ops.parents.into_iter().zip(ops.state) {
            let own = first..first + channels;
            first = own.end;
            if let Some(node) = node {
                let values = concat::columns(gradient.as_slice(), joined, own);
                gradients.register::<Flex>(node.id, tensor(values, [batch, height, width, channels]));
            }
        }
    }
}

/// The gradient of SiLU.
#[derive(Debug)]
pub(super) struct SiluBackward;

impl Backward<Flex, 1> for SiluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let _timed = profile::start(|| Operation::map("silu gradient", &ops.state.shape()));
            let [input, gradient] = [&ops.state, &gradient].map(Contiguous::new);
            like(elementwise::silu_gradient(input.as_slice(), gradient.as_slice()), &ops.state)
        });
    }
}

/// The gradient of dropout: the same mask.
#[derive(Debug)]
pub(super) struct DropoutBackward;

impl Backward<Flex, 1> for DropoutBackward {
    type State = DropoutMask;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let _timed = profile::start(|| Operation::map("dropout gradient", &gradient.shape()));
            like(ops.state.apply(Contiguous::new(&gradient).as_slice()), &gradient)
        });
    }
}

/// The gradient of a change of resolution: the transposed change.
#[derive(Debug)]
pub(super) struct ResampleBackward;

impl Backward<Flex, 1> for ResampleBackward {
    type State = [LinearMap; 2];

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [rows, columns] = ops.state.map(|map| map.transposed());
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            Flex::resample(gradient, rows, columns)
        });
    }
}
