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
    /// Activations of two networks, between which there is no distance.
    #[error("the samples were seen by {samples}, the reference by {reference}")]
    OtherNetwork {
        /// The network that saw the samples.
        samples: String,
        /// The network that saw the reference.
        reference: String,
    },
    /// What cannot be judged by looking at it.
    #[error("{what} holds points with {channels} coordinates, not images")]
    Points {
        /// What was to be looked at.
        what: String,
        /// Coordinates of a point.
        channels: usize,
    },
    /// An image that a set does not have.
    #[error("{source_name} has no image {number}: it has {found}, numbered from 0")]
    NoImage {
        /// The set.
        source_name: String,
        /// The number that was asked for.
        number: u64,
        /// Images that there are.
        found: usize,
    },
    /// Fewer images in a set than were asked for.
    #[error("{source_name} has {found} images, not {wanted}")]
    FewerImages {
        /// The set.
        source_name: String,
        /// Images that were asked for.
        wanted: usize,
        /// Images that there are.
        found: usize,
    },
    /// A file to be gone on with that holds something else.
    #[error("{} holds something else: {difference}", path.display())]
    HoldsAnother {
        /// The file.
        path: PathBuf,
        /// In what it differs.
        difference: Box<EvalError>,
    },
    /// A likelihood of a model that has no ODE.
    #[error("this is a consistency model: it has no ODE whose volume could be followed")]
    NoOde,
    /// Images without classes for a model that wants them.
    #[error("the model wants the class of each image, and these have none")]
    Unlabelled,
    /// Two pictures of different size, which have no distance from each other.
    #[error("images of {}x{} and {}x{} cannot be compared", a[1], a[0], b[1], b[0])]
    Sizes {
        /// Height and width of the first.
        a: [usize; 2],
        /// Height and width of the second.
        b: [usize; 2],
    },
    /// Pictures that a perceptual network cannot look at.
    #[error("{network} cannot look at images of {}x{}", size[1], size[0])]
    TooSmall {
        /// The network.
        network: String,
        /// Height and width of the pictures.
        size: [usize; 2],
        /// Pixels a side that it needs.
        least: usize,
    },
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
}
