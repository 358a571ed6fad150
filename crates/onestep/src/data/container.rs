//! Containers of images by kind: zip, npz, IDX, and CIFAR in its folder or archive.

use std::path::Path;

use super::decode::has_picture_suffix;
use super::image_set::Pictures;
use super::{DataError, DataSpec, Split, cifar, idx, numpy_images, zip};
use crate::file;

/// The set that a folder holds in files of many images; none if it holds no such files.
pub(super) fn in_folder(path: &Path, spec: &DataSpec) -> Result<Option<Pictures>, DataError> {
    let split = spec.split.unwrap_or(Split::Train);
    let name = path.display().to_string();
    if let Some(batches) = cifar::find_folder(path) {
        return cifar::open_folder(&batches, split, spec.wants_given_labels(&name)?).map(Some);
    }
    if !idx::image_files(path).is_empty() {
        return idx::open_folder(path, split, spec.image_size, spec.wants_given_labels(&name)?).map(Some);
    }
    Ok(None)
}

/// Whether a folder holds files of many images, and nothing else in it counts.
#[cfg(feature = "train")]
pub(super) fn is_folder_of(path: &Path) -> bool {
    cifar::find_folder(path).is_some() || !idx::image_files(path).is_empty()
}

/// The set in one file.
pub(super) fn open_file(path: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    let kind = FileKind::find(path)?;
    if kind == FileKind::Zip {
        return zip::open(path, spec);
    }
    let name = path.display().to_string();
    let labels = spec.wants_given_labels(&name)?;
    if kind == FileKind::CifarTar {
        return cifar::open_tar(path, spec.split.unwrap_or(Split::Train), labels);
    }
    if kind != FileKind::Npz {
        spec.require_train(&name)?;
    }
    match kind {
        FileKind::Npz => numpy_images::open_npz(path, labels, spec.split),
        FileKind::Npy => numpy_images::open_npy(path),
        _ => idx::open_file(path, spec.image_size, labels),
    }
}

/// Endings of files that people name where data are wanted.
const WEIGHTS: [&str; 6] = [".pt", ".pth", ".ckpt", ".pkl", ".onnx", ".safetensors"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Zip,
    Npz,
    Npy,
    Idx,
    CifarTar,
}

impl FileKind {
    /// The name decides where it is plain, so that a damaged file is called damaged and not
    /// unknown; the first bytes decide otherwise.
    fn find(path: &Path) -> Result<Self, DataError> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let start = file::start(path).map_err(|error| DataError::read(path, error))?;
        if let Some(what) = file::foreign(&start) {
            return Err(DataError::unsupported(path.display().to_string(), what));
        }
        if WEIGHTS.iter().any(|suffix| name.ends_with(suffix)) {
            let reason = "this is a file of a model by its name, not of pictures";
            return Err(DataError::unsupported(path.display().to_string(), reason));
        }
        let is_gzip = start.starts_with(&[0x1f, 0x8b]);
        if name.ends_with(".npz") {
            Ok(Self::Npz)
        } else if name.ends_with(".npy") || start.starts_with(b"\x93NUM") {
            Ok(Self::Npy)
        } else if name.ends_with(".zip") || start.starts_with(b"PK\x03\x04") {
            Ok(Self::Zip)
        } else if idx::is_image_name(path) || idx::is_images(path) {
            Ok(Self::Idx)
        } else if [".tar", ".tar.gz", ".tgz"].iter().any(|suffix| name.ends_with(suffix))
            || is_gzip
            || cifar::is_tar(path)
        {
            Ok(Self::CifarTar)
        } else if has_picture_suffix(&name) {
            let reason = "one picture is no set; name the folder it lies in";
            Err(DataError::unsupported(path.display().to_string(), reason))
        } else {
            Err(DataError::UnknownKind { path: path.to_path_buf() })
        }
    }
}
