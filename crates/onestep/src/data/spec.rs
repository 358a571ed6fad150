//! Which data, and how to look at them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DataError;

/// Which data to learn from, and how to look at it.
///
/// # Examples
///
/// ```
/// use onestep::data::{DataSpec, open};
/// let spec = DataSpec { image_size: Some(16), ..DataSpec::new("builtin:emoji") };
/// let emoji = open(&spec)?;
/// assert_eq!((emoji.len(), emoji.class_names().len()), (1892, 9));
/// assert_eq!(emoji.sample(0)?.values.len(), 16 * 16 * 3);
/// # Ok::<(), onestep::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// `builtin:` and a name, or a path whose kind is found from what is there: a folder of
    /// images or of class folders, a zip with `dataset.json`, an npz, IDX files or their folder,
    /// CIFAR as a folder or tar.gz. Several paths, separated by commas, are joined in order.
    pub source: String,
    /// Crop every image to its middle square and resize it to this many pixels a side. Without
    /// it, all images must have one size already. (IDX images of 28 get a border at 32.)
    #[serde(default)]
    pub image_size: Option<usize>,
    /// One channel instead of three.
    #[serde(default)]
    pub grey: bool,
    /// Let the trainer mirror images at random; see [`flip_horizontal`](super::flip_horizontal).
    #[serde(default)]
    pub flip: bool,
    /// Keep the labels; `false` makes the set unlabelled.
    #[serde(default = "yes")]
    pub labels: bool,
    /// Which part of a set that comes in two. Without it, what models learn from; of `builtin:emoji`, which is one set
    /// unless a part is asked for, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Only the first so many images.
    #[serde(default)]
    pub limit: Option<usize>,
    /// What a training run does about an image that cannot be read.
    #[serde(default)]
    pub on_error: OnError,
}

/// What a training run does about an image that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It saves what it has and ends, naming the image.
    #[default]
    Stop,
    /// It takes the next good image in its place, and counts.
    Skip,
}

/// The part of a set that comes in two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What models learn from; the only part of most sources.
    Train,
    /// What is held back: CIFAR, IDX folders, folders that hold `train` and `test`, and every tenth emoji.
    Test,
}

impl DataSpec {
    /// A source looked at as it is: all of it, with its labels, in its own size and colors.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            image_size: None,
            grey: false,
            flip: false,
            labels: true,
            split: None,
            limit: None,
            on_error: OnError::default(),
        }
    }

    /// The same, of one part of a source that comes in two where `:train` or `:test` stands behind its name.
    pub fn named(name: &str) -> Self {
        let parts = [(":test", Split::Test), (":train", Split::Train)];
        let part = parts.into_iter().find_map(|(suffix, split)| Some((name.strip_suffix(suffix)?, split)));
        match part {
            Some((source, split)) => Self { split: Some(split), ..Self::new(source) },
            None => Self::new(name),
        }
    }

    /// Refuses to look for a test part in a source that is one set: most are, and asking is a mistake worth telling.
    pub(super) fn require_train(&self, path: &Path) -> Result<(), DataError> {
        match self.split {
            Some(Split::Train) | None => Ok(()),
            Some(Split::Test) => Err(DataError::NoSplit { name: path.display().to_string() }),
        }
    }
}

fn yes() -> bool {
    true
}
