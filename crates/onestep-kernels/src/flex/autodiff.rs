//! The extension for autodiff over Flex: hand-written gradients in f32, burn's own for other types.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex, TensorMetadata};

use super::attention;
use super::conv2d;
use super::convolution::{Convolution, Statistics};
use super::forward::NormTensors;
use super::kernels::Kernels;
use super::layouts::Layouts;
use super::linear;
use super::memory::{Contiguous, dims, is_f32, like, tensor};
use super::norm_act::{self, Affine};
use super::outer::column_sums;
use super::update;
use crate::conv2d::ConvolutionOptions;
use crate::norm_act::NormActOptions;
use crate::profile::{self, Operation};
use crate::resample::LinearMap;
use crate::update::AdamCoefficients;
use crate::{KernelOps, Optional, Rectifier, composed};

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Takes an optional tensor apart; an absent one has a node that wants no gradient.
fn optional_parts<C: CheckpointStrategy>(tensor: Option<Tracked<C>>) -> (Option<FlexTensor>, NodeGuard) {
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
        gain: Optional<Self>,
        offset: Optional<Self>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        weight: Tracked<C>,
        bias: Optional<Self>,
        residual: Optional<Self>,
        options: ConvolutionOptions,
    ) -> Tracked<C> {
        if options.rectifier != Rectifier::None {
            // An operation of its own, which knows its own gradient.
            let rectifier = options.rectifier;
            let options = ConvolutionOptions { rectifier: Rectifier::None, ..options };
            let sum = Self::conv2d(input, gain, offset, scale, shift, weight, bias, residual, options);
            return composed::rectify::<Self>(sum, rectifier);
        }
        let [gain, offset, scale, shift] = [gain, offset, scale, shift].map(Optional::into_option);
        let (bias, residual) = (bias.into_option(), residual.into_option());
        let optional = [&gain, &offset, &scale, &shift, &bias, &residual].into_iter().flatten();
        if !is_f32([&input, &weight].into_iter().chain(optional).map(|tensor| tensor.primitive())) {
            let norm = gain.zip(offset).zip(options.norm).map(|((gain, offset), options)| composed::Norm {
                gain,
                offset,
                scale_shift: scale.zip(shift),
                options,
            });
            return composed::convolution::<Self>(input, norm, weight, bias, residual, &options);
        }
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let [gain, offset, scale, shift, bias, residual] =
            [gain, offset, scale, shift, bias, residual].map(optional_parts::<C>);
        let nodes = [input_node, weight_node, bias.1, residual.1, gain.1, offset.1, scale.1, shift.1];
        let norm = gain.0.zip(offset.0).zip(options.norm).map(|((gain, offset), options)| NormTensors {
            gain,
            offset,
            scale: scale.0,
            shift: shift.0,
            options,
        });
        let mut convolution =
            Convolution { input, norm, weight, bias: bias.0, residual: residual.0, options };
        let (output, statistics) = convolution.forward();
        match ConvolutionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                // The gradients need neither.
                convolution.residual = None;
                convolution.options.layouts = None;
                prepared.finish((convolution, statistics), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn norm_act(
        input: Tracked<C>,
        gain: Tracked<C>,
        offset: Tracked<C>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        options: NormActOptions,
    ) -> Tracked<C> {
        let (scale, shift) = (scale.into_option(), shift.into_option());
        let tensors = [&input, &gain, &offset].into_iter().chain(&scale).chain(&shift);
        if !is_f32(tensors.map(|tensor| tensor.primitive())) {
            return composed::norm_act::<Self>(input, gain, offset, scale.zip(shift), options);
        }
        let (input, input_node) = input.into_parts();
        let ((gain, gain_node), (offset, offset_node)) = (gain.into_parts(), offset.into_parts());
        let ((scale, scale_node), (shift, shift_node)) =
            (optional_parts::<C>(scale), optional_parts::<C>(shift));
        let nodes = [input_node, gain_node, offset_node, scale_node, shift_node];
        let tensors = NormTensors { gain, offset, scale, shift, options };
        let shape = dims::<4>(&input);
        let timed = profile::start(|| Operation::map("norm_act forward", &shape));
        let (output, affine) = tensors.with(&input, |norm| {
            let affine = norm.affine();
            (tensor(norm.forward(&affine), shape), affine)
        });
        drop(timed);
        match NormActBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((input, tensors, Arc::new(affine)), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn attention(qkv: Tracked<C>, heads: usize) -> Tracked<C> {
        if !is_f32([qkv.primitive()]) {
            return composed::attention::<Self>(qkv, heads);
        }
        let (qkv, node) = qkv.into_parts();
        let output = Flex::attention(qkv.clone(), heads);
        match AttentionBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((qkv, heads), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn linear(
        input: Tracked<C>,
        weight: Tracked<C>,
        bias: Optional<Self>,
        layouts: Option<Layouts>,
    ) -> Tracked<C> {
        let bias = bias.into_option();
        if !is_f32([&input, &weight].into_iter().chain(&bias).map(|tensor| tensor.primitive())) {
            return composed::linear::<Self>(input, weight, bias);
        }
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let (bias, bias_node) = optional_parts::<C>(bias);
        let nodes = [input_node, weight_node, bias_node];
        let output = Flex::linear(input.clone(), weight.clone(), optional(bias), layouts);
        match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([input, weight], output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn silu(input: Tracked<C>) -> Tracked<C> {
        if !is_f32([input.primitive()]) {
            return composed::silu::<Self>(input);
        }
        let (input, node) = input.into_parts();
        let output = Flex::silu(input.clone());
        match SiluBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(input, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn resample(input: Tracked<C>, rows: LinearMap, columns: LinearMap) -> Tracked<C> {
        if !is_f32([input.primitive()]) {
            return composed::resample::<Self>(input, &rows, &columns);
        }
        let (input, node) = input.into_parts();
        let output = Flex::resample(input, rows.clone(), columns.clone());
        match ResampleBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([rows, columns], output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn adam_update(
        parameter: Tracked<C>,
        gradient: Tracked<C>,
        first_moment: Tracked<C>,
        second_moment: Tracked<C>,
        coefficients: AdamCoefficients,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let [parameter, gradient, first, second] =
            [parameter, gradient, first_moment, second_moment].map(|tensor| tensor.into_primitive());
        let (parameter, first, second) = Flex::adam_update(parameter, gradient, first, second, coefficients);
        (Self::from_inner(parameter), Self::from_inner(first), Self::from_inner(second))
    }

    fn ema_update(average: Tracked<C>, source: Tracked<C>, rate: f64) -> Tracked<C> {
        Self::from_inner(Flex::ema_update(average.into_primitive(), source.into_primitive(), rate))
    }
}

#[derive(Debug)]
struct ConvolutionBackward;

impl Backward<Flex, 8> for ConvolutionBackward {
    type State = (Convolution, Statistics);

    fn backward(self, ops: Ops<Self::State, 8>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input_node, weight_node, bias_node, residual_node, norm_nodes @ ..] = ops.parents;
        let (convolution, statistics) = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node);
        let factor = convolution.options.factor;
        if factor != 1.0 {
            let _timed = profile::start(|| Operation::map("scale gradient", &gradient.shape()));
            gradient = like(update::scaled(Contiguous::new(&gradient).as_slice(), factor), &gradient);
        }
        if let Some(node) = residual_node {
            gradients.register::<Flex>(node.id, gradient.clone());
        }
        let gradient = Contiguous::new(&gradient);
        let (kernels, gradient, geometry) = (Kernels::best(), gradient.as_slice(), convolution.geometry());
        if let (Some(node), Some(bias)) = (bias_node, &convolution.bias) {
            let shape = dims::<2>(bias);
            let _timed = profile::start(|| Operation::map("conv2d bias gradient", &geometry.output_shape()));
            let values = conv2d::bias_gradient(&geometry, gradient, shape[0] != 1);
            gradients.register::<Flex>(node.id, tensor(values, shape));
        }
        convolution.with_input(statistics, |input, statistics| {
            if let Some(node) = weight_node {
                let _timed = profile::start(|| Operation::conv2d("weight gradient", &geometry));
                let values = conv2d::weight_gradient(&kernels, &geometry, input, gradient);
                gradients.register::<Flex>(node.id, tensor(values, geometry.weight_shape()));
            }
            if input_node.is_none() && norm_nodes.iter().all(Option::is_none) {
                return;
            }
            let timed = profile::start(|| Operation::conv2d("data gradient", &geometry));
            let weight = Contiguous::new(&convolution.weight);
            let precision = convolution.options.precision;
            let values = conv2d::input_gradient(&kernels, &geometry, weight.as_slice(), gradient, precision);
            drop(timed);
            match (input, statistics) {
                (conv2d::Input::Normalised(norm, _), Some(affine)) => {
                    let _timed =
                        profile::start(|| Operation::map("norm_act gradient", &geometry.input_shape()));
                    let result = norm.backward(&affine, &values);
                    let ids = norm_nodes.each_ref().map(|node| node.as_ref().map(|node| node.id));
                    let input = input_node.as_ref().map(|node| node.id);
                    register_norm(gradients, input, ids, result, geometry.input_shape());
                }
                _ => {
                    if let Some(node) = input_node {
                        gradients.register::<Flex>(node.id, tensor(values, geometry.input_shape()));
                    }
                }
            }
        });
    }
}

/// Registers the gradients of a normalisation of an input of this shape.
fn register_norm(
    gradients: &mut Gradients,
    input_node: Option<NodeId>,
    nodes: [Option<NodeId>; 4],
    result: norm_act::Gradients,
    shape: [usize; 4],
) {
    let [batch, _, _, channels] = shape;
    let results = [
        tensor(result.gain, [channels]),
        tensor(result.offset, [channels]),
        tensor(result.scale, [batch, channels]),
        tensor(result.shift, [batch, channels]),
    ];
    let pairs = nodes.into_iter().zip(results);
    for (node, result) in pairs.chain([(input_node, tensor(result.input, shape))]) {
        if let Some(node) = node {
            gradients.register::<Flex>(node, result);
        }
    }
}

#[derive(Debug)]
struct NormActBackward;

impl Backward<Flex, 5> for NormActBackward {
    type State = (FlexTensor, NormTensors, Arc<Affine>);

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (input, tensors, affine) = ops.state;
        let [input_node, norm_nodes @ ..] = ops.parents;
        let gradient = Contiguous::new(&gradients.consume::<Flex>(&ops.node));
        let _timed = profile::start(|| Operation::map("norm_act gradient", &input.shape()));
        let result = tensors.with(&input, |norm| norm.backward(&affine, gradient.as_slice()));
        let ids = norm_nodes.map(|node| node.map(|node| node.id));
        register_norm(gradients, input_node.map(|node| node.id), ids, result, dims(&input));
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 1> for AttentionBackward {
    type State = (FlexTensor, usize);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let (qkv, heads) = ops.state;
            let sizes = attention::Sizes::new(dims(&qkv), heads);
            let _timed = profile::start(|| Operation::attention("gradient", 4, &sizes));
            let [values, gradient] = [&qkv, &gradient].map(Contiguous::new);
            let result =
                attention::backward(&Kernels::best(), &sizes, values.as_slice(), gradient.as_slice());
            like(result, &qkv)
        });
    }
}

#[derive(Debug)]
struct LinearBackward;

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
            gradients.register::<Flex>(node.id, tensor(column_sums(gradient, outputs), [outputs]));
        }
    }
}

#[derive(Debug)]
struct SiluBackward;

impl Backward<Flex, 1> for SiluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let _timed = profile::start(|| Operation::map("silu gradient", &ops.state.shape()));
            let [input, gradient] = [&ops.state, &gradient].map(Contiguous::new);
            like(update::silu_gradient(input.as_slice(), gradient.as_slice()), &ops.state)
        });
    }
}

#[derive(Debug)]
struct ResampleBackward;

impl Backward<Flex, 1> for ResampleBackward {
    type State = [LinearMap; 2];

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [rows, columns] = ops.state.map(|map| map.transposed());
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            Flex::resample(gradient, rows, columns)
        });
    }
}
