use std::io;
use std::path::{Path, PathBuf};

use super::{ImageShape, PassedOver, Split};

/// What can be wrong with data, each with the thing it concerns and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The path of a source does not exist.
    #[error("no such file or folder (sets that need no file start with `builtin:`): `{path}`")]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system refused to read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system refused to write; nothing is left behind.
    #[error("cannot write `{path}`")]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A `builtin:` name that does not exist.
    #[error("no built-in set is called `{name}`; there are {}", super::builtin_names().join(", "))]
    UnknownBuiltin {
        /// The name after `builtin:`.
        name: String,
    },
    /// The file exists but is none of the known containers.
    #[error(
        "not a data set: expected a folder of images, a zip, an npz or npy, IDX files, \
         or CIFAR (its folder or tar.gz): `{path}`"
    )]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// A source without a single image.
    #[error(
        "no images here (passed over: {passed_over}); \
         a folder or archive wants PNG, JPEG, WebP, TIFF, BMP, GIF or PNM files, in one folder per class or in none: `{path}`"
    )]
    Empty {
        /// The folder or archive.
        path: PathBuf,
        /// What was there in their place.
        passed_over: PassedOver,
    },
    /// Images of different sizes, and no size asked for.
    #[error(
        "images differ in size: `{first}` is {first_shape}, `{other}` is {other_shape}; \
         set `image_size` to resize and crop them all"
    )]
    MixedSizes {
        /// The first image.
        first: String,
        /// Its size.
        first_shape: ImageShape,
        /// The first image of another size.
        other: String,
        /// The other size.
        other_shape: ImageShape,
    },
    /// An image that cannot be decoded.
    #[error("cannot decode this image; replace or remove it: `{name}`")]
    Image {
        /// The file or entry.
        name: String,
        /// What the decoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A container whose contents contradict themselves or end too early.
    #[error("{reason}; the file is damaged or not what its name says, fetch it again: `{name}`")]
    Damaged {
        /// The file or entry.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something a well-meant file does not contain: bombs, programs, paths that climb out.
    #[error("refused, because {reason}: `{name}`")]
    Refused {
        /// The file or entry.
        name: String,
        /// What was met.
        reason: String,
    },
    /// A correct file of a kind that is not read here.
    #[error("{reason}: `{name}`")]
    Unsupported {
        /// The file or entry.
        name: String,
        /// What it has and what would be read instead.
        reason: String,
    },
    /// Labels that do not fit the images or the classes.
    #[error("{reason}; correct the labels, or set `labels = false` to do without: `{name}`")]
    Labels {
        /// The file or entry.
        name: String,
        /// What is wrong with the label.
        reason: String,
    },
    /// A part was asked of a source that does not have it.
    #[error(
        "this source has no part `{split}`; name the folder or file of that part itself as `source`: `{name}`"
    )]
    NoSplit {
        /// The source.
        name: String,
        /// The part.
        split: Split,
    },
    /// A setting of a [`DataSpec`](super::DataSpec) that makes no sense.
    #[error("`{setting}` {reason}")]
    Setting {
        /// The field.
        setting: &'static str,
        /// What it needs and what it got.
        reason: String,
    },
    /// A sample that does not exist.
    #[error("sample {index} was asked of a set of {len}")]
    Index {
        /// The number asked for.
        index: usize,
        /// The number of samples there are.
        len: usize,
    },
}

impl DataError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    pub(super) fn image(
        name: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Image { name: name.into(), source: source.into() }
    }

    pub(super) fn damaged(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Damaged { name: name.into(), reason: reason.into() }
    }

    pub(super) fn refused(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { name: name.into(), reason: reason.into() }
    }

    pub(super) fn unsupported(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { name: name.into(), reason: reason.into() }
    }

    pub(super) fn labels(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Labels { name: name.into(), reason: reason.into() }
    }
}
