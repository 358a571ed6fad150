//! The extension for autodiff over Flex: hand-written gradients in f32, burn's own for other types.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex, TensorMetadata};

use super::attention;
use super::conv2d::{self, Geometry};
use super::forward::{NormTensors, attention_sizes};
use super::linear;
use super::memory::{Contiguous, dims, is_f32, like, tensor};
use super::norm_act::Affine;
use super::outer::column_sums;
use super::tile::Kernels;
use super::update;
use crate::conv2d::Conv2dOptions;
use crate::norm_act::NormActOptions;
use crate::profile::{self, Operation};
use crate::resample::LinearMap;
use crate::update::AdamCoefficients;
use crate::{KernelOps, Optional, composed};

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
        weight: Tracked<C>,
        bias: Optional<Self>,
        options: Conv2dOptions,
    ) -> Tracked<C> {
        let bias = bias.into_option();
        let primitives = [&input, &weight].into_iter().chain(&bias).map(|tensor| tensor.primitive());
        if !is_f32(primitives) {
            return composed::conv2d::<Self>(input, weight, bias, options);
        }
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let (bias, bias_node) = optional_parts::<C>(bias);
        let prepared = Conv2dBackward.prepare::<C>([input_node, weight_node, bias_node]).compute_bound();
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
        let tensors = NormTensors { input, gain, offset, scale, shift, options };
        let shape = dims::<4>(&tensors.input);
        let timed = profile::start(|| Operation::map("norm_act forward", &shape));
        let (output, affine) = tensors.with(|norm| {
            let affine = norm.affine();
            (tensor(norm.forward(&affine), shape), affine)
        });
        drop(timed);
        match NormActBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((tensors, Arc::new(affine)), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn attention(query: Tracked<C>, key: Tracked<C>, value: Tracked<C>) -> Tracked<C> {
        if !is_f32([&query, &key, &value].map(|tensor| tensor.primitive())) {
            return composed::attention::<Self>(query, key, value);
        }
        let (query, query_node) = query.into_parts();
        let ((key, key_node), (value, value_node)) = (key.into_parts(), value.into_parts());
        let nodes = [query_node, key_node, value_node];
        let output = Flex::attention(query.clone(), key.clone(), value.clone());
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([query, key, value], output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn linear(input: Tracked<C>, weight: Tracked<C>, bias: Optional<Self>) -> Tracked<C> {
        let bias = bias.into_option();
        if !is_f32([&input, &weight].into_iter().chain(&bias).map(|tensor| tensor.primitive())) {
            return composed::linear::<Self>(input, weight, bias);
        }
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let (bias, bias_node) = optional_parts::<C>(bias);
        let nodes = [input_node, weight_node, bias_node];
        let output = Flex::linear(input.clone(), weight.clone(), optional(bias));
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
            let _timed = profile::start(|| Operation::conv2d("data gradient", &geometry));
            let weight = Contiguous::new(&weight);
            let values = conv2d::input_gradient(&kernels, &geometry, weight.as_slice(), gradient);
            gradients.register::<Flex>(node.id, tensor(values, geometry.input_shape()));
        }
        if let Some(node) = weight_node {
            let _timed = profile::start(|| Operation::conv2d("weight gradient", &geometry));
            let input = Contiguous::new(&input);
            let values = conv2d::weight_gradient(&kernels, &geometry, input.as_slice(), gradient);
            gradients.register::<Flex>(node.id, tensor(values, geometry.weight_shape()));
        }
        if let Some(node) = bias_node {
            let _timed = profile::start(|| Operation::map("conv2d bias gradient", &geometry.output_shape()));
            let values = conv2d::bias_gradient(&geometry, gradient);
            gradients.register::<Flex>(node.id, tensor(values, [geometry.outputs]));
        }
    }
}

#[derive(Debug)]
struct NormActBackward;

impl Backward<Flex, 5> for NormActBackward {
    type State = (NormTensors, Arc<Affine>);

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (tensors, affine) = ops.state;
        let _timed = profile::start(|| Operation::map("norm_act gradient", &dims::<4>(&tensors.input)));
        let gradient = Contiguous::new(&gradients.consume::<Flex>(&ops.node));
        let result = tensors.with(|norm| norm.backward(&affine, gradient.as_slice()));
        let shape = dims::<4>(&tensors.input);
        let [batch, _, _, channels] = shape;
        let results = [
            tensor(result.input, shape),
            tensor(result.gain, [channels]),
            tensor(result.offset, [channels]),
            tensor(result.scale, [batch, channels]),
            tensor(result.shift, [batch, channels]),
        ];
        for (node, result) in ops.parents.into_iter().zip(results) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, result);
            }
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 3> for AttentionBackward {
    type State = [FlexTensor; 3];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let sizes = attention_sizes(&ops.state[0], &ops.state[1]);
        let _timed = profile::start(|| Operation::attention("gradient", 4, &sizes));
        let gradient = Contiguous::new(&gradients.consume::<Flex>(&ops.node));
        let slices = ops.state.each_ref().map(Contiguous::new);
        let slices = slices.each_ref().map(Contiguous::as_slice);
        let results = attention::backward(&Kernels::best(), &sizes, slices, gradient.as_slice());
        for ((node, result), tensor) in ops.parents.into_iter().zip(results).zip(&ops.state) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, like(result, tensor));
            }
        }
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
