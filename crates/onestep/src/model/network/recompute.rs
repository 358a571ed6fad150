//! Parts of a network whose inner activations are computed again in the backward pass, instead of kept.
//!
//! burn's own gradient checkpointing computes cheap element-wise operations again and keeps the results of
//! costly ones; in these networks nearly everything is the input of a convolution or a norm, so it keeps
//! nearly everything. Here a whole residual block is one operation of the gradient graph: forward it runs
//! without a graph, backward it runs once more with one, and that graph is gone before the next block's.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, BackendTensor, DispatchKindConversion, DispatchTensor,
    DispatchTensorKind,
};
use burn::tensor::Tensor;

use super::dual::Dual;
use super::graph::{Graph, Value};
use crate::model::{Condition, ParameterSpec, Precision, Weights};

/// A piece of a network with one image in and one out, told the embedding.
pub trait Part: fmt::Debug + Send + Sync + 'static {
    /// Applies the part.
    ///
    /// # Shapes
    ///
    /// `input` and the result: `[batch, height, width, channels]`; `embedding`: `[batch, n_embedding]`.
    fn forward(
        &self,
        weights: &Weights,
        input: Dual<4>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4>;

    /// [`Self::forward`] as nodes of a graph, without dropout.
    fn describe(&self, graph: &mut Graph, input: Value, embedding: Value) -> Value;
}

/// A part and the parameters that are its own.
#[derive(Debug)]
pub struct Recomputable<P> {
    part: Arc<P>,
    parameters: Range<usize>,
}

impl<P> Clone for Recomputable<P> {
    fn clone(&self) -> Self {
        Self { part: self.part.clone(), parameters: self.parameters.clone() }
    }
}

impl<P: Part> Recomputable<P> {
    /// A part that uses exactly the parameters with these numbers.
    pub fn new(part: P, parameters: Range<usize>) -> Self {
        Self { part: Arc::new(part), parameters }
    }

    /// The numbers of the part's parameters.
    pub fn parameters(&self) -> Range<usize> {
        self.parameters.clone()
    }

    /// The part, of `inputs` joined along the channels, as nodes of a graph.
    pub fn describe(&self, graph: &mut Graph, inputs: Vec<Value>, embedding: Value) -> Value {
        let joined = graph.join(inputs);
        self.part.describe(graph, joined, embedding)
    }

    /// Applies the part to `inputs` joined along the channels, keeping its inner activations unless `weights`
    /// ask for them to be computed again. Tangents are computed forward, and only once.
    pub fn forward(
        &self,
        weights: &Weights,
        inputs: Vec<Dual<4>>,
        embedding: &Dual<2>,
        condition: &Condition,
    ) -> Dual<4> {
        if !weights.recomputes() {
            return self.part.forward(weights, Dual::joined(inputs), embedding, condition);
        }
        let (part, condition) = (self.part.clone(), condition.clone());
        let call = Call {
            body: Arc::new(move |weights, input, embedding| {
                part.forward(weights, input, embedding, &condition)
            }),
            specs: weights.specs().clone(),
            first: self.parameters.start,
            precision: weights.precision(),
            n_images: inputs.len(),
        };
        let (images, tangents): (Vec<_>, Vec<_>) =
            inputs.into_iter().map(|input| (input.value, input.tangent)).unzip();
        let operands = Operands {
            images,
            embedding: embedding.value.clone(),
            parameters: weights.values()[self.parameters.clone()].to_vec(),
        };
        call.record(operands, Tangents { images: tangents, embedding: embedding.tangent.clone() })
    }
}

/// The tangents of what a part computes with, which come without a graph.
#[derive(Default)]
struct Tangents {
    images: Vec<Option<Tensor<4>>>,
    embedding: Option<Tensor<2>>,
}

/// Everything a part computes with.
struct Operands {
    images: Vec<Tensor<4>>,
    embedding: Tensor<2>,
    parameters: Vec<Tensor<1>>,
}

impl Operands {
    fn into_dispatch(self) -> Vec<DispatchTensor> {
        let images = self.images.into_iter().map(|tensor| tensor.autodiff().into_dispatch());
        let embedding = std::iter::once(self.embedding.autodiff().into_dispatch());
        let parameters = self.parameters.into_iter().map(|tensor| tensor.autodiff().into_dispatch());
        images.chain(embedding).chain(parameters).collect()
    }
}

/// What a part computes from its weights, its input and the embedding.
type Body = dyn Fn(&Weights, Dual<4>, &Dual<2>) -> Dual<4> + Send + Sync;

/// What to compute, once forward and once more backward.
#[derive(Clone)]
struct Call {
    body: Arc<Body>,
    specs: Arc<[ParameterSpec]>,
    first: usize,
    precision: Precision,
    n_images: usize,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("first", &self.first)
            .field("n_images", &self.n_images)
            .finish_non_exhaustive()
    }
}

impl Call {
    fn evaluate(&self, operands: Operands, tangents: Tangents) -> Dual<4> {
        let weights = Weights::part(&self.specs, self.first, operands.parameters, self.precision);
        let tangent_of = tangents.images.into_iter().chain(std::iter::repeat(None));
        let images = operands.images.into_iter().zip(tangent_of);
        let images = images.map(|(value, tangent)| Dual::with(value, tangent)).collect();
        let embedding = Dual::with(operands.embedding, tangents.embedding);
        (self.body)(&weights, Dual::joined(images), &embedding)
    }

    /// Evaluates without a graph and records the whole as one operation.
    fn record(self, operands: Operands, tangents: Tangents) -> Dual<4> {
        let operands = operands.into_dispatch();
        let kind = match &operands[0].kind {
            DispatchTensorKind::Autodiff(inner) => inner,
            other => other,
        };
        let (output, tangent) = match kind {
            DispatchTensorKind::Flex(_) => record::<burn::backend::Flex>(self, operands, tangents),
            #[cfg(any(
                feature = "vulkan",
                feature = "metal",
                feature = "webgpu",
                feature = "cuda",
                feature = "rocm"
            ))]
            DispatchTensorKind::Cube(_) => record::<burn::backend::Cube>(self, operands, tangents),
            DispatchTensorKind::Autodiff(_) => unreachable!("autodiff is never nested"),
        };
        Dual::with(Tensor::from_dispatch(output), tangent)
    }

    fn operands<B: Backend>(&self, primitives: Vec<FloatTensor<B>>) -> Operands
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let mut primitives = primitives.into_iter();
        Operands {
            images: primitives.by_ref().take(self.n_images).map(tensor::<B, 4>).collect(),
            embedding: tensor::<B, 2>(primitives.next().expect("the embedding follows the images")),
            parameters: primitives.map(tensor::<B, 1>).collect(),
        }
    }
}

/// Most operands of a part: the largest is OpenAI's middle block, with 46 parameters.
const MAX_OPERANDS: usize = 64;

fn record<B: Backend>(
    call: Call,
    operands: Vec<DispatchTensor>,
    tangents: Tangents,
) -> (DispatchTensor, Option<Tensor<4>>)
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B, NoCheckpointing>>,
{
    type Tracked<B> = Autodiff<B, NoCheckpointing>;
    assert!(operands.len() <= MAX_OPERANDS, "{} operands of one part of a network", operands.len());
    let tracked: Vec<_> = operands
        .into_iter()
        .map(|operand| {
            let operand = <DispatchTensor as DispatchKindConversion<Tracked<B>>>::try_into_backend(operand);
            operand.expect("all operands are on one device, without burn's own checkpointing").float()
        })
        .collect();
    let primitives: Vec<FloatTensor<B>> = tracked.iter().map(|operand| operand.primitive().clone()).collect();
    // The number of an operation's parents is fixed; nodes that want no gradient fill the rest.
    let filler = <Tracked<B> as AutodiffBackend>::from_inner(primitives[0].clone());
    let parents = std::array::from_fn(|index| tracked.get(index).unwrap_or(&filler).node());

    let output = call.evaluate(call.operands::<B>(primitives.clone()), tangents);
    let (output, tangent) = (primitive::<B, 4>(output.value), output.tangent);
    let output = match RecomputeBackward.prepare::<NoCheckpointing>(parents).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { call, primitives }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    let output =
        <DispatchTensor as DispatchKindConversion<Tracked<B>>>::from_backend(BackendTensor::Float(output));
    (output, tangent)
}

#[derive(Debug, Clone)]
struct State<B: Backend> {
    call: Call,
    primitives: Vec<FloatTensor<B>>,
}

#[derive(Debug)]
struct RecomputeBackward;

impl<B: Backend> Backward<B, MAX_OPERANDS> for RecomputeBackward
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, MAX_OPERANDS>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { call, primitives } = ops.state;
        let gradient = tensor::<B, 4>(gradients.consume::<B>(&ops.node));
        let Operands { images, embedding, parameters } = call.operands::<B>(primitives);
        let leaves = Operands {
            images: images.into_iter().map(leaf).collect(),
            embedding: leaf(embedding),
            parameters: parameters.into_iter().map(leaf).collect(),
        };
        let again = Operands {
            images: leaves.images.clone(),
            embedding: leaves.embedding.clone(),
            parameters: leaves.parameters.clone(),
        };
        // The gradient of Σ gradient · output is the gradient handed on.
        let mut inner = (call.evaluate(again, Tangents::default()).value * gradient).sum().backward();
        let images =
            leaves.images.iter().map(|leaf| leaf.grad_remove(&mut inner).map(primitive::<B, 4>)).collect();
        let embedding = vec![leaves.embedding.grad_remove(&mut inner).map(primitive::<B, 2>)];
        let parameters = leaves
            .parameters
            .iter()
            .map(|leaf| leaf.grad_remove(&mut inner).map(primitive::<B, 1>))
            .collect();
        let found: [Vec<Option<FloatTensor<B>>>; 3] = [images, embedding, parameters];
        for (node, gradient) in ops.parents.into_iter().zip(found.into_iter().flatten()) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

fn leaf<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.autodiff().require_grad()
}

fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<D>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    Tensor::from_dispatch(<DispatchTensor as DispatchKindConversion<B>>::from_backend(BackendTensor::Float(
        primitive,
    )))
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<D>) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = <DispatchTensor as DispatchKindConversion<B>>::try_into_backend(tensor.into_dispatch());
    tensor.expect("computed without a graph on the device of the operands").float()
}
