//! Which data, and how to look at them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DataError, Fit, Labels};
use crate::size::ImageSize;

/// Which data to learn from, and how to look at it.
///
/// # Examples
///
/// ```
/// use onestep::data::{DataSpec, open};
/// let spec = DataSpec { image_size: Some(16.into()), ..DataSpec::new("builtin:emoji") };
/// let emoji = open(&spec)?;
/// assert_eq!((emoji.len(), emoji.class_names().len()), (1892, 9));
/// assert_eq!(emoji.sample(0)?.values.len(), 16 * 16 * 3);
/// # Ok::<(), onestep::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// `builtin:` and a name, or a path whose kind is found from what is there: a folder or a zip of
    /// images, with class folders, a `dataset.json`, or neither, an npz, IDX files or their folder,
    /// CIFAR as a folder or tar.gz. Several paths, separated by commas, are joined in order.
    pub source: String,
    /// Bring every image to this size: a number of pixels a side, or `[height, width]`. Without it, all images must have
    /// one size already. (IDX images of 28 get a border at 32.)
    #[serde(default)]
    pub image_size: Option<ImageSize>,
    /// How images of another shape are brought to `image_size`: `"crop"` takes the middle, `"pad"` adds black borders,
    /// `"stretch"` distorts.
    // Left out where it is the usual one: recipes of runs that are older than this setting keep their digests.
    #[serde(default)]
    pub fit: Fit,
    /// One channel instead of three.
    #[serde(default)]
    pub grey: bool,
    /// Let the trainer mirror images at random; see [`flip_horizontal`](super::flip_horizontal).
    #[serde(default)]
    pub flip: bool,
    /// Where the classes come from: `true` takes the source's own (of its format, its `dataset.json` or its class folders),
    /// `"file-name"` what stands before the first `_` of each file's name, `false` none. Of `builtin:portraits`, the name of an
    /// attribute (`"glasses"`, `"hair"`, ...); `true` takes the color of the hair there.
    #[serde(default)]
    pub labels: Labels,
    /// Which part of a set that comes in several. Without it, what models learn from; of `builtin:emoji`, which is one set
    /// unless a part is asked for, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Only so many images, a fixed choice spread over the whole set. Of points, which are alike, the first.
    #[serde(default)]
    pub limit: Option<usize>,
    /// What a training run does about an image that cannot be had: `"stop"`, or `"skip"` to take the next good one and count it.
    #[serde(default)]
    pub on_error: OnError,
}

/// What a run does about an image that cannot be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It ends, and says which image it was.
    #[default]
    Stop,
    /// It takes the next good image in its place, and counts it.
    Skip,
}

/// The part of a set that comes in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What models learn from; the only part of most sources.
    Train,
    /// What is held back to choose by, of folders and zips that hold `train` and `val` (or `validation`, or `valid`).
    #[serde(alias = "validation", alias = "valid")]
    Val,
    /// What is held back: of CIFAR, IDX folders, folders and zips that hold `train` and `test`, every tenth emoji, and portraits
    /// with combinations of colors that those to learn from do not have.
    Test,
}

impl Split {
    /// The part that lies in a folder of this name.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" => Some(Self::Train),
            "val" | "validation" | "valid" => Some(Self::Val),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Split {
    /// As a recipe has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

impl DataSpec {
    /// A source looked at as it is: all of it, with its labels, in its own size and colors.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            image_size: None,
            fit: Fit::default(),
            grey: false,
            flip: false,
            labels: Labels::Given,
            split: None,
            limit: None,
            on_error: OnError::Stop,
        }
    }

    /// The same, of one part of a source that comes in several where `:train`, `:val` or `:test` stands behind its name.
    pub fn named(name: &str) -> Self {
        let parts = [(":test", Split::Test), (":val", Split::Val), (":train", Split::Train)];
        let part = parts.into_iter().find_map(|(suffix, split)| Some((name.strip_suffix(suffix)?, split)));
        match part {
            Some((source, split)) => Self { split: Some(split), ..Self::new(source) },
            None => Self::new(name),
        }
    }

    /// Refuses to look for a held-back part in a source that is one set: most are, and asking is a mistake worth telling.
    pub(super) fn require_train(&self, name: &str) -> Result<(), DataError> {
        match self.split {
            Some(Split::Train) | None => Ok(()),
            Some(split) => Err(DataError::NoSplit { name: name.to_owned(), split }),
        }
    }

    /// Whether images get their labels, of a source that is no collection of picture files.
    pub(super) fn wants_given_labels(&self, name: &str) -> Result<bool, DataError> {
        match self.labels {
            Labels::Given => Ok(true),
            Labels::None => Ok(false),
            Labels::FileName => {
                let reason =
                    format!("is \"file-name\", and the images of `{name}` are no files; say true or false");
                Err(DataError::Setting { setting: "labels", reason })
            }
            Labels::Attribute(attribute) => Err(no_attributes(attribute, name)),
        }
    }
}

/// The error where an attribute of portraits is asked of something else.
pub(super) fn no_attributes(attribute: &str, name: &str) -> DataError {
    let reason = format!(
        "is \"{attribute}\", an attribute of builtin:portraits that `{name}` does not have; say true, false or \"file-name\""
    );
    DataError::Setting { setting: "labels", reason }
}
