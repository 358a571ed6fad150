//! Protocols: all that changes a number besides the images and the network.

use super::EvalError;
use super::features::Resize;
use super::inception_score::Splits;
use super::statistics::Divisor;
use crate::data::Rounding;
use crate::model::{Precision, PrecisionChoice};

/// Named choices under which numbers can be compared; numbers of two protocols cannot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// What it is called.
    pub name: &'static str,
    /// Whose numbers it makes.
    pub about: &'static str,
    /// How images get to Inception's size; other networks have one way of their own.
    pub resize: Resize,
    /// How generated values become bytes; images from files are bytes already.
    pub rounding: Rounding,
    /// By what the covariance is divided.
    pub divisor: Divisor,
    /// The number of generated images of published numbers; none where it takes any.
    pub n_images: Option<usize>,
    /// How the Inception Score is cut.
    pub splits: Splits,
    /// Neighbors of precision and recall.
    pub neighbors: usize,
    /// Images, at most, that metrics compare one by one: precision and recall, and the kernel distance. Of more, so many are taken
    /// that are spread over all.
    pub kept: usize,
    /// Subsets of the kernel distance.
    pub n_subsets: usize,
    /// Images in each of them.
    pub subset_size: usize,
}

/// The plain one: what is common to the others, with any number of images.
const PLAIN: Protocol = Protocol {
    name: "plain",
    about: "any number of images; not the protocol of any published number",
    resize: Resize::Tf1,
    rounding: Rounding::Edm,
    divisor: Divisor::Unbiased,
    n_images: None,
    // Class folders come sorted: splits in order would be of one class each.
    splits: Splits::Shuffled(10),
    neighbors: 3,
    // As many as a published reference holds images; memory and time grow with it.
    kept: 10_000,
    n_subsets: 100,
    subset_size: 1000,
};

/// The plain one.
impl Default for Protocol {
    fn default() -> Self {
        PLAIN
    }
}

impl Protocol {
    /// All of them, the plain one first.
    pub const ALL: [Self; 8] = [
        PLAIN,
        Self {
            name: "openai-adm",
            about: "OpenAI's evaluator for ADM and the consistency models of ImageNet and LSUN; splits in order",
            rounding: Rounding::Truncate,
            n_images: Some(50_000),
            splits: Splits::OfSize(5000),
            kept: usize::MAX,
            ..PLAIN
        },
        Self { name: "edm", about: "`fid.py` of EDM, with its fid-refs", n_images: Some(50_000), ..PLAIN },
        Self {
            name: "ect",
            about: "ECT: as EDM, with the covariance divided by n",
            divisor: Divisor::Population,
            n_images: Some(50_000),
            ..PLAIN
        },
        Self {
            name: "clean-fid-legacy-tf",
            about: "clean-fid in its mode legacy_tensorflow: the consistency models of CIFAR-10",
            rounding: Rounding::Truncate,
            n_images: Some(50_000),
            ..PLAIN
        },
        Self {
            name: "clean-fid",
            about: "clean-fid in its mode clean, with Pillow's antialiased resize",
            resize: Resize::PilBicubic,
            n_images: Some(50_000),
            ..PLAIN
        },
        Self {
            name: "pytorch-fid",
            about: "pytorch-fid, with PyTorch's resize",
            resize: Resize::PyTorch,
            ..PLAIN
        },
        Self {
            name: "torch-fidelity",
            about: "torch-fidelity with its default settings, subsets and splits",
            kept: usize::MAX,
            ..PLAIN
        },
    ];

    /// The protocol of a name.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`], which lists the names.
    pub fn named(name: &str) -> Result<Self, EvalError> {
        Self::ALL.into_iter().find(|protocol| protocol.name == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|protocol| protocol.name).collect();
            let reason = format!("`{name}` is unknown; there are {}", names.join(", "));
            EvalError::Setting { setting: "protocol", reason }
        })
    }

    /// What a model draws in for it where nobody says: f32 for the protocol of published numbers, which is the same on every
    /// machine, and what is fastest for the plain one.
    pub fn precision(&self) -> PrecisionChoice {
        if self.name == PLAIN.name { PrecisionChoice::Auto } else { Precision::F32.into() }
    }

    /// Refuses fewer images than the protocol's numbers are computed from.
    ///
    /// # Errors
    ///
    /// [`EvalError::TooFew`].
    pub fn check_count(&self, found: usize) -> Result<(), EvalError> {
        match self.n_images {
            Some(needed) if found < needed => Err(EvalError::TooFew { protocol: self.name, needed, found }),
            _ => Ok(()),
        }
    }
}
