//! What can be wrong with a model, its weights, or the way it is called.

/// A model, its weights or its inputs do not fit together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// An architecture whose numbers contradict each other.
    #[error("this network cannot be built: {reason}")]
    BadArchitecture {
        /// Which numbers, and what would be possible.
        reason: String,
    },
    /// A network that only the program which brought it along can lay out.
    #[error(
        "the network `{name}` is a program's own: give it where the model is opened (`LoadedModel::into_model_with`) or trained (`RunBuilder::network`)"
    )]
    CustomNetwork {
        /// Its name.
        name: String,
    },
    /// A network of a program's own that does not say itself as a graph.
    #[error(
        "this network is a program's own and does not say what it is made of, which an export needs: let it implement `Network::describe`"
    )]
    NoGraph,
    /// A denoiser whose noise code is the time of a schedule, in a graph that takes σ.
    #[error(
        "networks that are told the steps of a schedule have no graph with sigma as an input; `--to diffusers` writes them"
    )]
    NoFormula,
    /// A tensor the architecture needs is not among the ones given.
    #[error("tensor `{name}` is missing; the network needs it with shape {shape:?}")]
    MissingTensor {
        /// Name of the parameter.
        name: String,
        /// Shape the network needs.
        shape: Vec<usize>,
    },
    /// A tensor was given that the architecture has no place for.
    #[error("tensor `{name}` does not belong to this network")]
    ExtraTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor has another shape than the architecture needs.
    #[error("tensor `{name}` has shape {found:?}, the network needs {expected:?}")]
    WrongShape {
        /// Name of the parameter.
        name: String,
        /// Shape that was given.
        found: Vec<usize>,
        /// Shape the network needs.
        expected: Vec<usize>,
    },
    /// A weight is NaN or infinite.
    #[error("tensor `{name}` holds a value that is not finite at index {index}")]
    NotFinite {
        /// Name of the parameter.
        name: String,
        /// Flat index of the first such value.
        index: usize,
    },
    /// An input batch of another shape than the model was made for.
    #[error("the model takes images of {expected:?} (height, width, channels), got {found:?}")]
    WrongImage {
        /// Height, width and channels of the batch given.
        found: [usize; 3],
        /// Height, width and channels of the model.
        expected: [usize; 3],
    },
    /// A list with one entry per sample has another length than the batch.
    #[error("{what}: {found} values for a batch of {batch}")]
    WrongBatch {
        /// What the list holds.
        what: &'static str,
        /// Length of the list.
        found: usize,
        /// Number of samples in the batch.
        batch: usize,
    },
    /// A class label the model does not know.
    #[error("class {label} does not exist: the model has {n_classes} classes, numbered from 0")]
    UnknownClass {
        /// The label given.
        label: usize,
        /// Number of classes of the model.
        n_classes: usize,
    },
    /// Labels were given to an unconditional network.
    #[error("this model is unconditional and takes no class")]
    ClassNotTaken,
    /// Guidance scales were given to a network that is not told any.
    #[error("this network is not told a guidance scale (it has no `guidance_embedding`)")]
    GuidanceNotTaken,
    /// A network that is told a guidance scale, in a graph or a format that has no place for it.
    #[error(
        "this network is told a guidance scale, for which the format has no input; only a model file of onestep holds such a network"
    )]
    GuidanceNotExported,
    /// Guidance scales that are none: not finite, negative, or in the wrong order.
    #[error(
        "guidance scales must be finite and at least 0, the low one not above the high one, got {low} and {high}"
    )]
    GuidanceRange {
        /// The smallest scale.
        low: f64,
        /// The largest scale.
        high: f64,
    },
    /// Augmentation labels of another number than the network takes.
    #[error("{found} augmentation labels for a sample, the model takes {expected}")]
    WrongAugment {
        /// Number of labels given for a sample.
        found: usize,
        /// Number of labels the model takes; 0 if it takes none.
        expected: usize,
    },
    /// A constant stored with foreign weights is not the one this network computes with.
    #[error("constant `{name}` does not hold the values that this architecture implies: {reason}")]
    WrongConstant {
        /// Name of the tensor.
        name: String,
        /// Which settings it contradicts.
        reason: String,
    },
    /// A model in the boundary form was asked for TrigFlow's velocity.
    #[error(
        "a consistency model in the boundary form has no velocity in TrigFlow; give a diffusion model, or one trained by sCD or sCT"
    )]
    NoVelocity,
}
