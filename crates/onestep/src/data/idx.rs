//! IDX files, as MNIST and its successors come: a big-endian header and bytes, often gzipped.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::gzip;
use super::image::MAX_SIDE;
use super::image_set::Pictures;
use super::table::{Part, Table};
use super::{DataError, ImageShape, PassedOver, Split};
use crate::size::ImageSize;

const IMAGES_MAGIC: u32 = 2051;
const LABELS_MAGIC: u32 = 2049;

/// The largest file that is taken into memory.
const MAX_BYTES: usize = 4 << 30;

/// Whether the file begins like IDX images (after undoing gzip).
pub(super) fn is_images(path: &Path) -> bool {
    let mut magic = [0; 4];
    gzip::open(path, 4).is_ok_and(|mut reader| reader.read_exact(&mut magic).is_ok())
        && u32::from_be_bytes(magic) == IMAGES_MAGIC
}

/// The image files in a folder, if it holds IDX files: `train-images-idx3-ubyte.gz` and the like.
pub(super) fn image_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    // A pipe of such a name is never opened.
    let is_wanted = |path: &PathBuf| is_image_name(path) && path.is_file();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_wanted).collect();
    paths.sort();
    // The unpacked file beside its archive is the same set.
    let plain = paths.clone();
    paths.retain(|path| {
        path.extension().is_none_or(|suffix| suffix != "gz") || !plain.contains(&path.with_extension(""))
    });
    paths
}

/// Reads the images of one split from a folder.
///
/// `image_size` is only looked at for the custom of MNIST: images of 28 are brought to 32 by a
/// border of two black pixels, not by resizing. Labels are read if they are wanted.
pub(super) fn open_folder(
    folder: &Path,
    split: Split,
    image_size: Option<ImageSize>,
    labels: bool,
) -> Result<Pictures, DataError> {
    let is_of_split = |path: &&PathBuf| {
        let is_train = file_name(path).contains("train");
        match split {
            Split::Train => is_train,
            Split::Test => !is_train,
            // Nobody publishes a third file.
            Split::Val => false,
        }
    };
    let files = image_files(folder);
    let of_split: Vec<&PathBuf> = files.iter().filter(is_of_split).collect();
    match of_split[..] {
        [path] => open_file(path, image_size, labels),
        [] => Err(DataError::NoSplit { name: folder.display().to_string(), split }),
        [first, second, ..] => {
            let reason = format!(
                "two sets of images here, `{}` and `{}`; name the one to use",
                file_name(first),
                file_name(second)
            );
            Err(DataError::unsupported(folder.display().to_string(), reason))
        }
    }
}

/// Reads one file of images, and, if they are wanted, the labels that lie beside it under the matching name.
pub(super) fn open_file(
    path: &Path,
    image_size: Option<ImageSize>,
    labels: bool,
) -> Result<Pictures, DataError> {
    let name = path.display().to_string();
    let (extents, bytes) = read_idx(path, IMAGES_MAGIC, "images")?;
    let [n_images, height, width] = extents[..] else {
        return Err(DataError::damaged(name, "an IDX file of images must have three extents"));
    };
    if height > MAX_SIDE || width > MAX_SIDE {
        return Err(DataError::refused(name, format!("its images are {width}x{height}")));
    }
    if bytes.is_empty() {
        return Err(DataError::Empty { path: path.to_path_buf(), passed_over: PassedOver::default() });
    }
    let labels = match labels_beside(path).filter(|_| labels) {
        Some(labels_path) => Some(read_labels(&labels_path, n_images)?),
        None => None,
    };
    let shape = ImageShape { height, width, channels: 1 };
    let (shape, bytes) = match (height, width, image_size) {
        (28, 28, Some(ImageSize { height: 32, width: 32 })) => bordered(shape, &bytes, 2),
        _ => (shape, bytes),
    };
    let reader = Box::new(Table::new(shape, bytes, vec![Part { name, len: n_images }]));
    Ok(Pictures { reader, labels, class_names: Vec::new(), passed_over: PassedOver::default() })
}

fn read_labels(path: &Path, n_images: usize) -> Result<Vec<usize>, DataError> {
    let (_, bytes) = read_idx(path, LABELS_MAGIC, "labels")?;
    if bytes.len() != n_images {
        let reason = format!("{} labels for {n_images} images", bytes.len());
        return Err(DataError::labels(path.display().to_string(), reason));
    }
    Ok(bytes.into_iter().map(usize::from).collect())
}

/// Reads header and bytes; the file must hold exactly what its header says.
fn read_idx(path: &Path, magic: u32, content: &str) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let name = || path.display().to_string();
    // Header, images, and the byte more that is asked for below.
    let mut reader = gzip::open(path, MAX_BYTES as u64 + 64)?;
    let mut read_number = || {
        let mut number = [0; 4];
        reader.read_exact(&mut number).map(|()| u32::from_be_bytes(number))
    };
    let read_failed = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => DataError::damaged(name(), "the file ends too early"),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => DataError::damaged(name(), error.to_string()),
        ErrorKind::Other => DataError::refused(name(), error.to_string()),
        _ => DataError::read(path, error),
    };
    let found = read_number().map_err(read_failed)?;
    if found != magic {
        let reason = format!("IDX {content} begin with the number {magic}, this file with {found}");
        return Err(DataError::damaged(name(), reason));
    }
    // The last byte of the magic number counts the extents.
    let mut extents = Vec::new();
    for _ in 0..magic & 0xff {
        extents.push(read_number().map_err(read_failed)? as usize);
    }
    let n_bytes = extents.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    let Some(n_bytes) = n_bytes.filter(|&n_bytes| n_bytes <= MAX_BYTES) else {
        let reason = format!("it claims the extents {extents:?}, over {} GiB", MAX_BYTES >> 30);
        return Err(DataError::refused(name(), reason));
    };
    let mut bytes = Vec::new();
    reader.take(n_bytes as u64 + 1).read_to_end(&mut bytes).map_err(read_failed)?;
    if bytes.len() != n_bytes {
        let compared = if bytes.len() < n_bytes { "fewer" } else { "more" };
        let reason = format!("the header promises {n_bytes} bytes, the file has {compared}");
        return Err(DataError::damaged(name(), reason));
    }
    Ok((extents, bytes))
}

/// Surrounds every grey image with black.
fn bordered(shape: ImageShape, bytes: &[u8], border: usize) -> (ImageShape, Vec<u8>) {
    let ImageShape { height, width, .. } = shape;
    let wide = width + 2 * border;
    let mut padded = Vec::with_capacity(bytes.len() / (height * width) * wide * (height + 2 * border));
    for image in bytes.chunks_exact(height * width) {
        padded.resize(padded.len() + border * wide, 0);
        for row in image.chunks_exact(width) {
            padded.resize(padded.len() + border, 0);
            padded.extend_from_slice(row);
            padded.resize(padded.len() + border, 0);
        }
        padded.resize(padded.len() + border * wide, 0);
    }
    (ImageShape { height: height + 2 * border, width: wide, channels: 1 }, padded)
}

/// `train-images-idx3-ubyte.gz` has its labels in `train-labels-idx1-ubyte`, gzipped or not.
fn labels_beside(path: &Path) -> Option<PathBuf> {
    let name = file_name(path);
    if !is_image_name(path) {
        return None;
    }
    let labels_name = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels_name.strip_suffix(".gz").unwrap_or(&labels_name);
    [labels_name.clone(), plain.to_owned(), format!("{plain}.gz")]
        .into_iter()
        .map(|candidate| path.with_file_name(candidate))
        .find(|candidate| candidate.is_file())
}

/// Whether a name is that of a file of images.
pub(super) fn is_image_name(path: &Path) -> bool {
    let name = file_name(path);
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    plain.ends_with("images-idx3-ubyte") || plain.ends_with("images.idx3-ubyte")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
