//! Images to learn from, whatever they are packed in.
//!
//! Four steps lead from a path to numbers a network can be trained on:
//!
//! 1. a [`DataSpec`] names the source and how to look at it (size, grey, labels, how many);
//! 2. [`open()`] finds out what the source is (a folder, a zip, an npz, IDX, CIFAR, or something
//!    built in), checks it, and returns a [`Dataset`];
//! 3. a [`Dataset`] hands out one [`Sample`] at a time, as `f32` in [-1, 1], channels last;
//! 4. [`check()`] decodes everything once and reports what is wrong before a long run finds out, [`check_headers()`] looks
//!    at headers alone, and [`hints`] tells what a glance shows.
//!
//! The way back, from values to pictures people can look at, is [`picture`] (PNG) and [`npz`]; a whole set is written by `EdmWriter`.
//! Only [`image`] knows that pixels are bytes. Nothing here writes by a name found inside a file,
//! and nothing inside a file is ever executed.

#[cfg(feature = "formats")]
mod animation;
#[cfg(feature = "formats")]
mod archive;
#[cfg(feature = "avif")]
mod avif;
mod beside;
mod builtin;
mod check;
#[cfg(feature = "formats")]
mod cifar;
#[cfg(feature = "formats")]
mod cifar_layout;
#[cfg(feature = "formats")]
mod container;
mod decode;
#[cfg(feature = "formats")]
mod edm_writer;
#[cfg(feature = "builtin")]
mod emoji;
mod error;
mod fingerprint;
mod fit;
mod folder;
#[cfg(feature = "formats")]
mod gzip;
mod hint;
#[cfg(feature = "formats")]
mod idx;
pub mod image;
mod image_set;
mod joined;
#[cfg(feature = "formats")]
mod jpeg;
mod label_index;
mod labels;
mod natural;
#[cfg(feature = "formats")]
mod npy;
#[cfg(feature = "formats")]
pub mod npz;
#[cfg(feature = "formats")]
mod npz_writer;
#[cfg(feature = "formats")]
mod numpy_images;
mod open;
mod output;
mod output_lock;
mod overwriting;
mod passed_over;
#[cfg(feature = "formats")]
mod pickle;
pub mod picture;
mod picture_header;
#[cfg(feature = "formats")]
mod pixel_array;
#[cfg(feature = "builtin")]
mod portraits;
mod sheet;
mod spec;
mod spread;
mod store;
mod table;
mod toy;
mod tree;
mod walk;
mod warp;
#[cfg(feature = "formats")]
mod zip;
#[cfg(feature = "formats")]
mod zip_writer;

use std::fmt;

use crate::size::ImageSize;

#[cfg(feature = "formats")]
pub use animation::write_gif;
pub use beside::named_beside;
pub use builtin::builtin_names;
pub use check::{BadSample, CheckReport, check, check_headers};
pub use decode::picture_size;
pub(crate) use decode::read_encoded;
#[cfg(feature = "formats")]
pub use edm_writer::EdmWriter;
pub use error::DataError;
pub use fit::Fit;
pub use hint::{Hint, hints};
pub use image::{Pixels, Rounding, flip_horizontal, pixels_from_tensor, tensor_from_pixels};
pub use labels::{ATTRIBUTES, Labels};
#[cfg(feature = "formats")]
pub(crate) use npz_writer::NpzWriter;
pub use open::open;
#[cfg(feature = "train")]
pub(crate) use open::takes_in;
pub(crate) use output::WholeFile;
pub use output::write_whole;
pub use output_lock::OutputLock;
pub use overwriting::{OutputError, Outputs, ending};
pub use passed_over::{PassedOver, PassedOverGroup, PassedOverReason};
#[cfg(all(feature = "builtin", feature = "eval"))]
pub(crate) use portraits::N_TRAINING;
pub use sheet::Sheet;
pub use spec::{DataSpec, OnError, Split};
pub(crate) use spread::run_of;
pub use spread::spread;
#[cfg(feature = "train")]
pub(crate) use warp::{Affine, warp};

/// A finite set of images of one shape, addressed by number.
///
/// Samples can be taken in any order and from several threads. The same index always gives the
/// same sample; shuffling and random flips belong to whoever trains.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there is nothing in it. [`open()`] never returns an empty set.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape that every sample has.
    fn shape(&self) -> ImageShape;

    /// The names of the classes, in the order of the labels; empty when the set is unlabelled.
    fn class_names(&self) -> &[String];

    /// Returns one sample.
    ///
    /// # Errors
    ///
    /// - [`DataError::Index`] if `index` is not below [`len`](Dataset::len).
    /// - Whatever reading or decoding that sample meets; the message names the sample's source.
    fn sample(&self, index: usize) -> Result<Sample, DataError>;

    /// What to call this sample in a message: a file, an entry of an archive, or a record number.
    fn source(&self, index: usize) -> String;

    /// A hexadecimal SHA-256 that tells this set from another.
    ///
    /// It covers the contents of every image, names within the source, labels, classes, and the settings of the view. It does
    /// not depend on where the source lies or what it is called, so a run that was moved resumes, and a run pointed at other
    /// data is refused. What lies in files is read once for it, in parallel, when it is first asked for.
    fn fingerprint(&self) -> String;

    /// The fingerprint of this set without the samples of these numbers.
    ///
    /// A set of files in which sample k was bad is known by it after a repair: it is the same for the set before and after
    /// the file of k was replaced, and it is the [`fingerprint`](Dataset::fingerprint) of the set from which that file was
    /// removed (unless a [`limit`](DataSpec::limit) then chooses others). Without any numbers it is the fingerprint.
    fn fingerprint_without(&self, left_out: &[usize]) -> String {
        if left_out.is_empty() {
            return self.fingerprint();
        }
        crate::digest::hex(format!("{} without {left_out:?}", self.fingerprint()).as_bytes())
    }

    /// Looks whether a sample can be had, as far as that shows without decoding its image, and returns its label.
    ///
    /// # Errors
    ///
    /// As [`sample`](Dataset::sample), of which it may find less.
    fn probe(&self, index: usize) -> Result<Option<usize>, DataError> {
        self.sample(index).map(|sample| sample.label)
    }

    /// The files of the source that are no part of the set.
    fn passed_over(&self) -> PassedOver {
        PassedOver::default()
    }

    /// What is known of every sample beside its class, and how it is distributed; empty where nothing is. Each sample's own is
    /// part of its [`source`](Dataset::source).
    fn attributes(&self) -> Vec<AttributeTable> {
        Vec::new()
    }

    /// How the source was understood, where its files leave that open: which axis of an array is which, and what its numbers
    /// stand for.
    fn read_as(&self) -> Option<String> {
        None
    }
}

/// What may be known of a sample under one name.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AttributeTable {
    /// What it is called, as [`Labels::Attribute`] has it.
    pub name: String,
    /// Its values, and how probable each is.
    pub values: Vec<(String, f64)>,
}

/// One image and its class.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `[height, width, channels]`, in [-1, 1] for images.
    pub values: Vec<f32>,
    /// The class, an index into [`Dataset::class_names`].
    pub label: Option<usize>,
}

/// The extents of an image, channels last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// 1 for grey, 3 for RGB, 2 for the points of the toy distributions.
    pub channels: usize,
}

impl ImageShape {
    /// Height and width.
    pub fn size(self) -> ImageSize {
        ImageSize { height: self.height, width: self.width }
    }

    /// The number of values in one image.
    pub fn n_values(self) -> usize {
        self.height * self.width * self.channels
    }
}

impl fmt::Display for ImageShape {
    /// Width first, as people say it: `64x48`, and `64x48 grey` for one channel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        match self.channels {
            1 => write!(f, " grey"),
            3 => Ok(()),
            channels => write!(f, " with {channels} channels"),
        }
    }
}
