//! From the name of a source to the set behind it.

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "formats")]
use super::container::{self, open_file};
use super::image_set::{ImageSet, Pictures};
use super::joined::join;
#[cfg(feature = "train")]
use super::passed_over::is_hidden;
use super::spec::DataSpec;
use super::toy::{Toy, ToySet};
use super::{DataError, Dataset, builtin, folder};

const BUILTIN_PREFIX: &str = "builtin:";

/// The largest `image_size`: four times the largest model's.
const MAX_IMAGE_SIZE: usize = 4096;

/// Finds out what the source is and opens it.
///
/// Containers of equal-sized images are read into memory; folders and zips are listed, and each
/// image is decoded when first asked for and then kept, up to 1 GiB. Damaged images in them do
/// not fail here but when asked for, so that [`check`](super::check()) can list them all.
///
/// # Folders and archives
///
/// Pictures are found however deep they lie, in a folder and in a zip by the same rules. Links are followed, but not in circles;
/// hidden files, devices and whatever looks like no picture are passed over and counted ([`Dataset::passed_over`]).
///
/// 1. Folders that hold all pictures between them and the root are passed.
/// 2. If nothing but folders called `train` and `val` (or `validation`, `valid`) or `test` is found then, they are the parts that
///    [`DataSpec::split`] chooses from; 1. applies to the one that is taken, and classes have the numbers that they have in
///    `train`. Among other folders, or beside pictures, folders of these names are like others.
/// 3. Labels come from the nearest `dataset.json` that lies with or above all pictures, by their paths from where it lies: EDM's
///    `{"labels": [["00000/img00000000.png", 6], ...]}`, with a whole number or a one among zeros for each.
/// 4. Without one, the folders found are the classes, ordered by their names as people count (`2` before `10`), and a picture is
///    of the class whose folder it lies in. Where no folders are found, there are no classes.
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
    let is_in_range = |side: usize| (1..=MAX_IMAGE_SIZE).contains(&side);
    if let Some(size) = spec.image_size.filter(|size| !is_in_range(size.height) || !is_in_range(size.width)) {
        let reason = format!("must be 1 to {MAX_IMAGE_SIZE} a side, got {size}");
        return Err(DataError::Setting { setting: "image_size", reason });
    }
    if spec.limit == Some(0) {
        let reason = "must be at least 1; leave it out to use all images".to_owned();
        return Err(DataError::Setting { setting: "limit", reason });
    }
    Ok(())
}

fn open_builtin(name: &str, spec: &DataSpec) -> Result<Box<dyn Dataset>, DataError> {
    match (name, Toy::ALL.into_iter().find(|toy| toy.name() == name)) {
        (_, Some(toy)) => {
            spec.require_train(&spec.source)?;
            Ok(Box::new(ToySet::new(toy, spec)?))
        }
        ("portraits", None) => builtin::portraits(spec),
        ("emoji", None) => {
            let emoji = builtin::emoji(spec.split, spec.wants_given_labels(&spec.source)?)?;
            Ok(Box::new(ImageSet::new(emoji, &spec.source, spec)?))
        }
        _ => Err(DataError::UnknownBuiltin { name: name.to_owned() }),
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

/// Whether pictures that are made in `folder`, which need not be there yet, would become part of a source: it is a folder of
/// pictures, and they would lie in it where it is looked through.
#[cfg(feature = "train")]
pub(crate) fn takes_in(spec: &DataSpec, folder: &Path) -> bool {
    if spec.source.starts_with(BUILTIN_PREFIX) {
        return false;
    }
    let Some(folder) = resolved(folder) else { return false };
    let is_looked_through = |source: PathBuf| {
        let Ok(root) = source.canonicalize() else { return false };
        let Ok(within) = folder.strip_prefix(&root) else { return false };
        let is_hidden = within.iter().any(|part| is_hidden(&part.to_string_lossy()));
        root.is_dir() && !is_hidden && !container::is_folder_of(&root)
    };
    source_paths(&spec.source).is_ok_and(|paths| paths.into_iter().any(is_looked_through))
}

/// Where a path leads that need not be there yet: what is there of it without links, and the rest.
#[cfg(feature = "train")]
fn resolved(path: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(path).ok()?;
    let there = whole.ancestors().find(|path| path.exists())?;
    Some(there.canonicalize().ok()?.join(whole.strip_prefix(there).ok()?))
}

/// A device or a pipe gives bytes without end, or none and no end: neither is opened.
fn open_path(path: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    let kind = fs::metadata(path).map_err(|error| DataError::read(path, error))?.file_type();
    if kind.is_dir() {
        open_folder(path, spec)
    } else if kind.is_file() {
        open_file(path, spec)
    } else {
        let reason = "it is a device, a pipe or a socket, not a file; write what it gives into a file first";
        Err(DataError::refused(path.display().to_string(), reason))
    }
}

fn open_folder(path: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    #[cfg(feature = "formats")]
    if let Some(pictures) = container::in_folder(path, spec)? {
        return Ok(pictures);
    }
    folder::open(path, spec)
}

/// A build without containers reads folders of images alone.
#[cfg(not(feature = "formats"))]
fn open_file(path: &Path, _: &DataSpec) -> Result<Pictures, DataError> {
    let reason = "this program was built without the feature `formats` and reads folders of PNG images alone";
    Err(DataError::unsupported(path.display().to_string(), reason))
}
