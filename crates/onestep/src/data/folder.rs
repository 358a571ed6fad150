//! A folder of images, or one folder per class.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::decode::{has_picture_suffix, read_encoded, upright_size};
use super::fingerprint::Fingerprint;
use super::image_set::{PictureReader, Pictures};
use super::{DataError, Pixels};
use crate::file;

/// Lists the images of a folder, and of the folders directly in it.
///
/// Folders that hold images are classes, numbered in the order of their names. Hidden files are
/// skipped, links are followed only to places inside the folder, and files with other endings are
/// counted as ignored.
pub(super) fn open(root: &Path, labels: bool) -> Result<Pictures, DataError> {
    let walk = Walk { root: canonical(root)? };
    let top = walk.list(root)?;
    let mut n_ignored = top.n_ignored;
    let mut files = top.pictures;
    let n_loose = files.len();
    let mut class_names = Vec::new();
    let mut class_of_file = Vec::new();
    for folder in &top.folders {
        let listing = walk.list(folder)?;
        n_ignored += listing.n_ignored + listing.folders.len();
        if listing.pictures.is_empty() {
            continue;
        }
        class_of_file.extend(vec![class_names.len(); listing.pictures.len()]);
        class_names.push(file_name(folder));
        files.extend(listing.pictures);
    }
    if files.is_empty() {
        return Err(DataError::Empty { path: root.to_path_buf(), ignored: n_ignored });
    }
    if labels && n_loose > 0 && !class_names.is_empty() {
        let reason = format!("{n_loose} images lie beside the class folders and so have no class");
        return Err(DataError::labels(root.display().to_string(), reason));
    }
    let labels = (n_loose == 0).then_some(class_of_file);
    let class_names = if labels.is_some() { class_names } else { Vec::new() };
    let reader = Box::new(Folder { root: root.to_path_buf(), files });
    Ok(Pictures { reader, labels, class_names, n_ignored })
}

struct Folder {
    root: PathBuf,
    files: Vec<PictureFile>,
}

struct PictureFile {
    path: PathBuf,
    len: u64,
}

impl PictureReader for Folder {
    fn len(&self) -> usize {
        self.files.len()
    }

    /// Collections often hold a few grey pictures among many in color, so a folder is in color.
    fn channels(&self) -> usize {
        3
    }

    fn uniform_size(&self) -> Option<(usize, usize)> {
        None
    }

    fn size(&self, index: usize) -> Result<(usize, usize), DataError> {
        let path = &self.files[index].path;
        let file = file::open(path).map_err(|error| DataError::read(path, error))?;
        upright_size(BufReader::new(file), &path.display().to_string())
    }

    fn pixels(&self, index: usize) -> Result<Pixels, DataError> {
        let path = &self.files[index].path;
        Pixels::decode(&read_encoded(path)?, &path.display().to_string())
    }

    fn source(&self, index: usize) -> String {
        self.files[index].path.display().to_string()
    }

    fn digest(&self, hasher: &mut Fingerprint) {
        for file in &self.files {
            let name = file.path.strip_prefix(&self.root).unwrap_or(&file.path);
            for part in name {
                hasher.bytes(part.as_encoded_bytes());
            }
            hasher.number(file.len as usize);
        }
    }
}

/// Listing that does not leave the folder it started in.
struct Walk {
    root: PathBuf,
}

#[derive(Default)]
struct Listing {
    pictures: Vec<PictureFile>,
    folders: Vec<PathBuf>,
    n_ignored: usize,
}

impl Walk {
    /// What lies directly in a folder, in the order of the names.
    fn list(&self, folder: &Path) -> Result<Listing, DataError> {
        let read_error = |error| DataError::read(folder, error);
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(read_error)? {
            paths.push(entry.map_err(read_error)?.path());
        }
        paths.sort();
        let mut listing = Listing::default();
        for path in paths {
            let name = file_name(&path);
            if name.starts_with('.') {
                continue;
            }
            let link = fs::symlink_metadata(&path).map_err(|error| DataError::read(&path, error))?;
            if link.is_symlink() && !canonical(&path).is_ok_and(|to| to.starts_with(&self.root)) {
                listing.n_ignored += 1;
                continue;
            }
            let target = fs::metadata(&path).map_err(|error| DataError::read(&path, error))?;
            if target.is_dir() {
                listing.folders.push(path);
            } else if target.is_file() && has_picture_suffix(&name) {
                listing.pictures.push(PictureFile { path, len: target.len() });
            } else {
                listing.n_ignored += 1;
            }
        }
        Ok(listing)
    }
}

fn canonical(path: &Path) -> Result<PathBuf, DataError> {
    fs::canonicalize(path).map_err(|error| DataError::read(path, error))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
