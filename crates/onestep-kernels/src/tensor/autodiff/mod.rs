//! The extension for autodiff over Flex: hand-written gradients in f32, burn's own for other types.

mod backward;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};

use super::composed;
use super::extension::{KernelOps, Optional};
use super::profile::{self, Operation};
use super::storage::{dims, is_f32, tensor};
use crate::loops::Rectifier;
use crate::operators::{
    AdamCoefficients, Convolution, DropoutMask, Layouts, LinearMap, Norm, NormActOptions,
};
use crate::simd::Precision;
use backward::{
    AttentionBackward, ConcatBackward, ConvolutionBackward, DropoutBackward, LinearBackward, NormActBackward,
    ResampleBackward, SiluBackward,
};

/// A tensor that gradients are asked of.
type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Takes an optional tensor apart; an absent one has a node that wants no gradient.
fn optional_parts<C: CheckpointStrategy>(given: Option<Tracked<C>>) -> (Option<FlexTensor>, NodeGuard) {
    match given {
        Some(given) => {
            let (primitive, node) = given.into_parts();
            (Some(primitive), node)
        }
        None => {
            let nothing = tensor(Vec::new(), [0]);
            (None, Autodiff::<Flex, C>::from_inner(nothing).node())
        }
    }
}

impl<C: CheckpointStrategy> KernelOps for Autodiff<Flex, C> {
    fn conv2d(
        input: Tracked<C>,
        weight: Tracked<C>,
        bias: Optional<Self>,
        residual: Optional<Self>,
        gain: Optional<Self>,
        offset: Optional<Self>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        rest: Convolution<()>,
    ) -> Tracked<C> {
        if rest.rectifier != Rectifier::None {
            // An operation of its own, which knows its own gradient.
            let rectifier = rest.rectifier;
            let rest = Convolution { rectifier: Rectifier::None, output_moments: None, ..rest };
            let sum = Self::conv2d(input, weight, bias, residual, gain, offset, scale, shift, rest);
            return composed::rectify::<Self>(sum, rectifier);
        }
        let others = [bias, residual, gain, offset, scale, shift].map(Optional::into_option);
        let convolution = Convolution::from_parts([input, weight], others, rest);
        if !is_f32(convolution.all().map(|tensor| tensor.primitive())) {
            return composed::convolution::<Self>(convolution);
        }
        let ([input, weight], others, rest) = convolution.into_parts();
        let ((input, input_node), (weight, weight_node)) = (input.into_parts(), weight.into_parts());
        let [bias, residual, gain, offset, scale, shift] = others.map(optional_parts::<C>);
        let nodes = [input_node, weight_node, bias.1, residual.1, gain.1, offset.1, scale.1, shift.1];
        let others = [bias.0, residual.0, gain.0, offset.0, scale.0, shift.0];
        let mut convolution = Convolution::from_parts([input, weight], others, rest);
        let (output, statistics) = convolution.forward();
        match ConvolutionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                // The gradients need neither.
                convolution.residual = None;
                convolution.layouts = None;
                prepared.finish((convolution, statistics), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn concat(
        first: Tracked<C>,
        second: Tracked<C>,
        third: Optional<Self>,
        fourth: Optional<Self>,
        fifth: Optional<Self>,
        sixth: Optional<Self>,
    ) -> Tracked<C> {
        let others = [third, fourth, fifth, sixth].map(Optional::into_option);
        if !is_f32([&first, &second].into_iter().chain(others.iter().flatten()).map(|part| part.primitive()))
        {
            return composed::concat::<Self>(
                [first, second].into_iter().chain(others.into_iter().flatten()).collect(),
            );
        }
        let [third, fourth, fifth, sixth] = others;
        let parts = [Some(first), Some(second), third, fourth, fifth, sixth].map(optional_parts::<C>);
        let channels =
            parts.iter().filter_map(|(part, _)| part.as_ref()).map(|part| dims::<4>(part)[3]).collect();
        let [(first, a), (second, b), (third, c), (fourth, d), (fifth, e), (sixth, f)] = parts;
        let (Some(first), Some(second)) = (first, second) else { unreachable!("both are given") };
        let [third, fourth, fifth, sixth] = [third, fourth, fifth, sixth].map(Optional::from);
        let output = Flex::concat(first, second, third, fourth, fifth, sixth);
        match ConcatBackward.prepare::<C>([a, b, c, d, e, f]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(channels, output),
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
        let scale_shift = scale.into_option().zip(shift.into_option());
        let norm = Norm { gain, offset, scale_shift, options };
        if !is_f32(norm.all().chain([&input]).map(|tensor| tensor.primitive())) {
            return composed::norm_act::<Self>(input, norm);
        }
        let Norm { gain, offset, scale_shift, options } = norm;
        let ((input, input_node), (gain, gain_node)) = (input.into_parts(), gain.into_parts());
        let (offset, offset_node) = offset.into_parts();
        let (scale, shift) = scale_shift.unzip();
        let [(scale, scale_node), (shift, shift_node)] = [scale, shift].map(optional_parts::<C>);
        let nodes = [input_node, gain_node, offset_node, scale_node, shift_node];
        let norm = Norm { gain, offset, scale_shift: scale.zip(shift), options };
        let shape = dims::<4>(&input);
        let timed = profile::start(|| Operation::map("norm_act forward", &shape));
        let (output, affine) = norm.with(&input, |norm, images| {
            let affine = norm.affine(&images);
            (tensor(norm.forward(images, &affine), shape), affine)
        });
        drop(timed);
        match NormActBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((input, norm, Arc::new(affine)), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn attention(qkv: Tracked<C>, heads: usize, precision: Precision) -> Tracked<C> {
        if !is_f32([qkv.primitive()]) {
            return composed::attention::<Self>(qkv, heads);
        }
        let (qkv, node) = qkv.into_parts();
        let output = Flex::attention(qkv.clone(), heads, precision);
        match AttentionBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((qkv, heads, precision), output),
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
        let output = Flex::linear(input.clone(), weight.clone(), Optional::from(bias), layouts);
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

    fn dropout(input: Tracked<C>, mask: DropoutMask) -> Tracked<C> {
        if !is_f32([input.primitive()]) {
            return composed::dropout::<Self>(input, &mask);
        }
        let (input, node) = input.into_parts();
        let output = Flex::dropout(input, mask.clone());
        match DropoutBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(mask, output),
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
