//! From the name of a source to the set behind it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(feature = "formats")]
use super::container::{self, open_file};
use super::image_set::{ImageSet, Pictures};
use super::joined::join;
use super::toy::{Toy, ToySet};
use super::{DataError, Dataset, builtin, folder};

const BUILTIN_PREFIX: &str = "builtin:";

/// The largest `image_size`: four times the largest model's.
const MAX_IMAGE_SIZE: usize = 4096;

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
}

fn yes() -> bool {
    true
}

/// Finds out what the source is and opens it.
///
/// Containers of equal-sized images are read into memory; folders and zips are listed, and each
/// image is decoded when first asked for and then kept, up to 1 GiB. Damaged images in them do
/// not fail here but when asked for, so that [`check`](super::check()) can list them all.
///
/// # Errors
///
/// Every [`DataError`] but [`Index`](DataError::Index) and [`Write`](DataError::Write): sources
/// that do not exist, are empty, damaged, hostile or of an unknown kind, labels that do not fit,
/// images of several sizes without `image_size`, and settings that make no sense.
pub fn open(spec: &DataSpec) -> Result<Box<dyn Dataset>, DataError> {
    check_settings(spec)?;
    if let Some(name) = spec.source.strip_prefix(BUILTIN_PREFIX) {
        return open_builtin(name, spec);
    }
    let paths = source_paths(&spec.source)?;
    let mut parts = Vec::with_capacity(paths.len());
    for path in &paths {
        parts.push(open_path(path, spec)?);
    }
    let pictures = join(parts, &paths)?;
    Ok(Box::new(ImageSet::new(pictures, &spec.source, spec)?))
}

fn check_settings(spec: &DataSpec) -> Result<(), DataError> {
    if let Some(size) = spec.image_size.filter(|size| !(1..=MAX_IMAGE_SIZE).contains(size)) {
        let reason = format!("must be 1 to {MAX_IMAGE_SIZE}, got {size}");
        return Err(DataError::Setting { setting: "image_size", reason });
    }
    if spec.limit == Some(0) {
        let reason = "must be at least 1; leave it out to use all images".to_owned();
        return Err(DataError::Setting { setting: "limit", reason });
    }
    Ok(())
}

fn open_builtin(name: &str, spec: &DataSpec) -> Result<Box<dyn Dataset>, DataError> {
    let toy = Toy::ALL.into_iter().find(|toy| toy.name() == name);
    if name != "emoji" && toy.is_none() {
        return Err(DataError::UnknownBuiltin { name: name.to_owned() });
    }
    match toy {
        Some(_) if spec.split == Some(Split::Test) => Err(DataError::NoSplit { name: spec.source.clone() }),
        Some(toy) => Ok(Box::new(ToySet::new(toy, spec)?)),
        None => Ok(Box::new(ImageSet::new(builtin::emoji(spec.split)?, &spec.source, spec)?)),
    }
}

/// One path, or several between commas unless the whole is a path that exists.
fn source_paths(source: &str) -> Result<Vec<PathBuf>, DataError> {
    let whole = PathBuf::from(source);
    if whole.exists() {
        return Ok(vec![whole]);
    }
    let paths: Vec<PathBuf> =
        source.split(',').map(str::trim).filter(|part| !part.is_empty()).map(PathBuf::from).collect();
    if paths.is_empty() {
        let reason = "is empty; name a folder, a file, or a set like `builtin:emoji`".to_owned();
        return Err(DataError::Setting { setting: "source", reason });
    }
    match paths.iter().find(|path| !path.exists()) {
        Some(missing) => Err(DataError::NotFound { path: missing.clone() }),
        None => Ok(paths),
    }
}

fn open_path(path: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    if path.is_dir() { open_folder(path, spec) } else { open_file(path, spec) }
}

fn open_folder(path: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    #[cfg(feature = "formats")]
    if let Some(pictures) = container::in_folder(path, spec)? {
        return Ok(pictures);
    }
    let split = spec.split.unwrap_or(Split::Train);
    let [train, test] = ["train", "test"].map(|name| path.join(name));
    if train.is_dir() && test.is_dir() {
        let part = if split == Split::Train { train } else { test };
        return folder::open(&part, spec.labels);
    }
    require_train(path, spec)?;
    folder::open(path, spec.labels)
}

/// A build without containers reads folders of images alone.
#[cfg(not(feature = "formats"))]
fn open_file(path: &Path, _: &DataSpec) -> Result<Pictures, DataError> {
    let reason = "this program was built without the feature `formats` and reads folders of PNG images alone";
    Err(DataError::unsupported(path.display().to_string(), reason))
}

/// Most sources are one set; asking for another part of them is a mistake worth telling.
pub(super) fn require_train(path: &Path, spec: &DataSpec) -> Result<(), DataError> {
    match spec.split {
        Some(Split::Train) | None => Ok(()),
        Some(Split::Test) => Err(DataError::NoSplit { name: path.display().to_string() }),
    }
}
