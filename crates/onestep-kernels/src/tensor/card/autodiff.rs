//! The extension for autodiff on a card: kernels of our own for the gradients of those of our own, burn's for its products.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Cube, DType, Shape};
use burn_cubecl::tensor::CubeTensor;

use super::launch::unwritten;
use super::{finish, norm, precision, takes};
use crate::operators::{AdamCoefficients, Convolution, DropoutMask, LinearMap, Norm, NormActOptions};
use crate::simd::Precision;
use crate::tensor::composed;
use crate::tensor::extension::{KernelOps, Optional};
use crate::tensor::storage::dims;

/// A tensor that gradients are asked of.
type Tracked<C> = FloatTensor<Autodiff<Cube, C>>;

/// Takes an optional tensor apart; an absent one has a node that wants no gradient.
fn optional_parts<C: CheckpointStrategy>(
    given: Option<Tracked<C>>,
    beside: &CubeTensor,
) -> (Option<CubeTensor>, NodeGuard) {
    match given {
        Some(given) => {
            let (primitive, node) = given.into_parts();
            (Some(primitive), node)
        }
        None => (None, Autodiff::<Cube, C>::from_inner(unwritten(beside, [0], DType::F32)).node()),
    }
}

impl<C: CheckpointStrategy> KernelOps for Autodiff<Cube, C> {
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
        let others = [bias, residual, gain, offset, scale, shift].map(Optional::into_option);
        let half = precision::half_for(rest.precision, &input.primitive().device, dims(weight.primitive()));
        convolved::<C>(Convolution::from_parts([input, weight], others, rest), half)
    }

    fn attention(qkv: Tracked<C>, heads: usize, precision: Precision) -> Tracked<C> {
        let half = precision::half(precision, &qkv.primitive().device);
        composed::attention_in::<Self>(qkv, heads, half)
    }

    fn norm_act(
        input: Tracked<C>,
        gain: Tracked<C>,
        offset: Tracked<C>,
        scale: Optional<Self>,
        shift: Optional<Self>,
        options: NormActOptions,
    ) -> Tracked<C> {
        let norm = Norm { gain, offset, scale_shift: scale.into_option().zip(shift.into_option()), options };
        let stored = input.primitive().dtype;
        normalised::<C>(input, norm, stored)
    }

    fn dropout(input: Tracked<C>, mask: DropoutMask) -> Tracked<C> {
        let (input, node) = input.into_parts();
        let output = Cube::dropout(input, mask.clone());
        match DropoutBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(mask, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn resample(input: Tracked<C>, rows: LinearMap, columns: LinearMap) -> Tracked<C> {
        let (input, node) = input.into_parts();
        let output = Cube::resample(input, rows.clone(), columns.clone());
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
        let (parameter, first, second) = Cube::adam_update(parameter, gradient, first, second, coefficients);
        (Self::from_inner(parameter), Self::from_inner(first), Self::from_inner(second))
    }

    fn ema_update(average: Tracked<C>, source: Tracked<C>, rate: f64) -> Tracked<C> {
        Self::from_inner(Cube::ema_update(average.into_primitive(), source.into_primitive(), rate))
    }

    fn square_sums(gradient: Tracked<C>, sums: Optional<Self>, place: [usize; 2]) -> Tracked<C> {
        let sums = sums.into_option().map(|sums| sums.into_primitive());
        Self::from_inner(Cube::square_sums(gradient.into_primitive(), Optional::from(sums), place))
    }
}

/// As the function of this name without gradients, but that nothing is stored in the half type.
pub(super) fn convolved<C: CheckpointStrategy>(
    mut convolution: Convolution<Tracked<C>>,
    half: Option<DType>,
) -> Tracked<C> {
    if !takes(&convolution.map(|tensor| tensor.primitive().clone())) {
        return composed::convolution::<Autodiff<Cube, C>>(convolution);
    }
    let (bias, residual) = (convolution.bias.take(), convolution.residual.take());
    let (factor, rectifier) = (convolution.factor, convolution.rectifier);
    let stored = if half.is_some() { DType::F32 } else { convolution.input.primitive().dtype };
    let product = half.unwrap_or(stored);
    let Convolution { input, norm, weight, options, .. } = convolution;
    let weight = composed::to_dtype::<Autodiff<Cube, C>>(weight, product);
    let input = match norm {
        Some(norm) => normalised::<C>(input, norm, product),
        None => composed::to_dtype::<Autodiff<Cube, C>>(input, product),
    };
    let output = composed::conv2d::<Autodiff<Cube, C>>(input, weight, options);
    let nothing = bias.is_none() && residual.is_none() && factor == 1.0;
    let output = if nothing && output.primitive().dtype == stored {
        output
    } else {
        finished::<C>(output, bias, residual, factor, stored)
    };
    composed::rectify::<Autodiff<Cube, C>>(output, rectifier)
}

/// A normalised input, stored in a type.
fn normalised<C: CheckpointStrategy>(input: Tracked<C>, norm: Norm<Tracked<C>>, stored: DType) -> Tracked<C> {
    if !norm::takes(input.primitive(), &norm.map(|tensor| tensor.primitive().clone())) {
        let output = composed::norm_act::<Autodiff<Cube, C>>(input, norm);
        return composed::to_dtype::<Autodiff<Cube, C>>(output, stored);
    }
    let Norm { gain, offset, scale_shift, options } = norm;
    let ((input, input_node), (gain, gain_node)) = (input.into_parts(), gain.into_parts());
    let (offset, offset_node) = offset.into_parts();
    let (scale, shift) = scale_shift.unzip();
    let [scale, shift] = [scale, shift].map(|given| optional_parts::<C>(given, &input));
    let nodes = [input_node, gain_node, offset_node, scale.1, shift.1];
    let norm = Norm { gain, offset, scale_shift: scale.0.zip(shift.0), options };
    let [output, statistics] = norm::forward(&input, &norm, stored);
    match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((input, norm, statistics), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// Bias, residual and factor after products.
fn finished<C: CheckpointStrategy>(
    output: Tracked<C>,
    bias: Option<Tracked<C>>,
    residual: Option<Tracked<C>>,
    factor: f64,
    stored: DType,
) -> Tracked<C> {
    let (output, node) = output.into_parts();
    let [bias, residual] = [bias, residual].map(|given| optional_parts::<C>(given, &output));
    let result = finish::forward(&output, bias.0.as_ref(), residual.0.as_ref(), factor, stored);
    let state = Finish {
        factor,
        output: output.dtype,
        bias: bias.0.map(|bias| dims(&bias)),
        residual: residual.0.map(|residual| residual.dtype),
    };
    match FinishBackward.prepare::<C>([node, bias.1, residual.1]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, result),
        OpsKind::UnTracked(prepared) => prepared.finish(result),
    }
}

/// What the gradient knows of what followed products.
#[derive(Debug, Clone)]
struct Finish {
    factor: f64,
    /// The type of the products.
    output: DType,
    /// The shape of the bias.
    bias: Option<[usize; 2]>,
    /// The type of the residual.
    residual: Option<DType>,
}

/// The gradients of what follows products; of the products, bias and residual.
#[derive(Debug)]
struct FinishBackward;

impl Backward<Cube, 3> for FinishBackward {
    type State = Finish;

    fn backward(self, ops: Ops<Finish, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let Finish { factor, output, bias, residual } = ops.state;
        let [output_node, bias_node, residual_node] = ops.parents;
        let mut gradient = gradients.consume::<Cube>(&ops.node);
        if factor != 1.0 {
            let stored = gradient.dtype;
            gradient = finish::forward(&gradient, None, None, factor, stored);
        }
        if let Some((node, shape)) = bias_node.zip(bias) {
            let [batch, height, width, channels] = dims(&gradient);
            // Sums of many numbers in f32, whatever they are stored in.
            let full = composed::to_dtype::<Cube>(gradient.clone(), DType::F32);
            let rows = shape[0].max(1);
            let grouped = Shape::from([rows, batch / rows * height * width, channels]);
            let sum = Cube::float_sum_dim(Cube::float_reshape(full, grouped), 1);
            gradients.register::<Cube>(node.id, Cube::float_reshape(sum, Shape::from(shape)));
        }
        if let Some((node, dtype)) = residual_node.zip(residual) {
            gradients.register::<Cube>(node.id, composed::to_dtype::<Cube>(gradient.clone(), dtype));
        }
        if let Some(node) = output_node {
            gradients.register::<Cube>(node.id, composed::to_dtype::<Cube>(gradient, output));
        }
    }
}

/// The gradients of a normalisation; of the input, gain, offset, scale and shift.
#[derive(Debug)]
struct NormBackward;

impl Backward<Cube, 5> for NormBackward {
    type State = (CubeTensor, Norm<CubeTensor>, CubeTensor);

    fn backward(self, ops: Ops<Self::State, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (input, norm, statistics) = ops.state;
        let gradient = gradients.consume::<Cube>(&ops.node);
        let norm::Gradients { input, gain, offset, scale, shift } =
            norm::backward(&input, &norm, &statistics, &gradient);
        for (node, result) in ops.parents.into_iter().zip([input, gain, offset, scale, shift]) {
            if let Some(node) = node {
                gradients.register::<Cube>(node.id, result);
            }
        }
    }
}

/// The gradient of dropout: the same mask.
#[derive(Debug)]
struct DropoutBackward;

impl Backward<Cube, 1> for DropoutBackward {
    type State = DropoutMask;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<Cube, _>(ops.parents, ops.node, gradients, |gradient| Cube::dropout(gradient, ops.state));
    }
}

/// The gradient of a change of resolution: the transposed change.
#[derive(Debug)]
struct ResampleBackward;

impl Backward<Cube, 1> for ResampleBackward {
    type State = [LinearMap; 2];

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [rows, columns] = ops.state.map(|map| map.transposed());
        unary::<Cube, _>(ops.parents, ops.node, gradients, |gradient| {
            Cube::resample(gradient, rows, columns)
        });
    }
}
