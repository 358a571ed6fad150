//! What can be wrong with an evaluation.

use std::path::PathBuf;

/// What can be wrong with an evaluation, each with the thing it concerns and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Images that a feature network cannot look at.
    #[error("{network} looks at RGB images of one size, got {got}")]
    Images {
        /// The feature network.
        network: String,
        /// What was there instead.
        got: String,
    },
    /// A setting outside its range.
    #[error("{setting} {reason}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it must be, and what it was.
        reason: String,
    },
    /// A file of weights of no network that is known here.
    #[error("{name} holds weights of no feature network that is known here: {reason}")]
    Unknown {
        /// The file.
        name: String,
        /// Which are known.
        reason: String,
    },
    /// A feature network whose weights are absent, unreadable or unfit.
    #[error(transparent)]
    Vision(#[from] crate::vision::VisionError),
    /// Parts that are not of one whole, overlap, or leave gaps.
    #[error("these statistics do not add up: {reason}")]
    Parts {
        /// What does not fit.
        reason: String,
    },
    /// A file that holds no statistics, or not the ones asked for.
    #[error("{reason}: `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A metric that needs what a side does not have.
    #[error("{metric} {reason}")]
    Metric {
        /// The metric.
        metric: String,
        /// What it needs, and where to get it.
        reason: String,
    },
    /// Fewer images than a published number is computed from.
    #[error("the protocol `{protocol}` takes {needed} images, here are {found}")]
    TooFew {
        /// The protocol.
        protocol: &'static str,
        /// Images that it takes.
        needed: usize,
        /// Images that there are.
        found: usize,
    },
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
}
