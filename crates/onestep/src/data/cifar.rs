//! CIFAR-10 and CIFAR-100 as their authors publish them: binary or Python, packed or unpacked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::archive::bad_name;
use super::cifar_layout::{Layout, known_names};
use super::gzip;
use super::image_set::Pictures;
use super::pickle::Dictionary;
use super::table::{Part, Table};
use super::{DataError, ImageShape, PassedOver, Split};
use crate::file;

const SHAPE: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };
const PLANE: usize = 32 * 32;
const PIXEL_BYTES: usize = 3 * PLANE;

/// The training set of CIFAR-100 is one file of 154 MB.
const MAX_FILE: u64 = 256 << 20;

/// The official archives unpack to 180 MB.
const MAX_TAR: u64 = 2 << 30;

/// The official archives have nine entries.
const MAX_TAR_ENTRIES: usize = 1000;

/// The folders that the official archives unpack to.
const FOLDERS: [&str; 4] =
    ["cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python"];

const CIFAR_10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Returns the folder with the batches, if `folder` is one or holds one.
pub(super) fn find_folder(folder: &Path) -> Option<PathBuf> {
    // Files, not folders: class folders may well be called `train` and `test`.
    let is_cifar = |folder: &Path| Layout::find(|name| folder.join(name).is_file()).is_some();
    let inside = FOLDERS.iter().map(|name| folder.join(name));
    std::iter::once(folder.to_path_buf()).chain(inside).find(|folder| is_cifar(folder))
}

/// Reads one split from a folder that [`find_folder`] found, with its labels if they are wanted.
pub(super) fn open_folder(folder: &Path, split: Split, labels: bool) -> Result<Pictures, DataError> {
    let mut files = BTreeMap::new();
    for name in known_names() {
        let path = folder.join(name);
        if path.is_file() {
            let file = file::open(&path).map_err(|error| DataError::read(&path, error))?;
            let bytes = read_limited(file).map_err(|error| DataError::read(&path, error))?;
            files.insert(name.to_owned(), bytes);
        }
    }
    assemble(folder, &files, split, labels)
}

/// Reads one split from a tar archive, gzipped or not. Entries are matched by name and read into
/// memory; none is ever written anywhere.
pub(super) fn open_tar(path: &Path, split: Split, labels: bool) -> Result<Pictures, DataError> {
    let damaged = |error: io::Error| DataError::damaged(path.display().to_string(), error.to_string());
    let mut archive = tar::Archive::new(gzip::open(path, MAX_TAR)?);
    let mut files = BTreeMap::new();
    // Raw, because the extensions for long names would be read into memory unasked.
    for (count, entry) in archive.entries().map_err(damaged)?.raw(true).enumerate() {
        let entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let full_name = format!("{}:{name}", path.display());
        if count == MAX_TAR_ENTRIES {
            let reason = format!("it has over {MAX_TAR_ENTRIES} entries");
            return Err(DataError::refused(path.display().to_string(), reason));
        }
        if let Some(reason) = bad_name(&name) {
            return Err(DataError::refused(full_name, reason));
        }
        let base = name.rsplit('/').next().unwrap_or(&name);
        if !known_names().any(|known| known == base) {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            if entry.header().entry_type().is_dir() {
                continue;
            }
            return Err(DataError::refused(full_name, "it is a link or a device, not a file"));
        }
        let base = base.to_owned();
        let bytes =
            read_limited(entry).map_err(|error| DataError::damaged(full_name.clone(), error.to_string()))?;
        if files.insert(base, bytes).is_some() {
            return Err(DataError::refused(full_name, "two entries have this name"));
        }
    }
    if Layout::find(|name| files.contains_key(name)).is_none() {
        let reason = "only the CIFAR sets are read from tar archives, and this holds none of \
                      their files; unpack it and name the folder";
        return Err(DataError::unsupported(path.display().to_string(), reason));
    }
    assemble(path, &files, split, labels)
}

/// Whether a file without gzip begins like a tar archive.
pub(super) fn is_tar(path: &Path) -> bool {
    let mut start = [0; 262];
    file::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && &start[257..] == b"ustar"
}

fn read_limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("the file has over {} MiB", MAX_FILE >> 20)));
    }
    Ok(bytes)
}

/// Puts the batches of a split one after another, channels last.
fn assemble(
    source: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    split: Split,
    with_labels: bool,
) -> Result<Pictures, DataError> {
    let not_found = || DataError::NotFound { path: source.to_path_buf() };
    let layout = Layout::find(|name| files.contains_key(name)).ok_or_else(not_found)?;
    let names = match split {
        Split::Train => layout.train,
        Split::Test => &[layout.test],
        Split::Val => return Err(DataError::NoSplit { name: source.display().to_string(), split }),
    };
    let mut table = Vec::new();
    let mut labels = Vec::new();
    let mut parts = Vec::new();
    for &file in names {
        let full_name = source.join(file).display().to_string();
        let Some(bytes) = files.get(file) else {
            return Err(DataError::damaged(full_name, "this batch is missing from the set"));
        };
        let batch = if layout.label_bytes > 0 {
            binary_batch(bytes, layout.label_bytes)
        } else {
            pickled_batch(bytes, with_labels.then_some(layout.keys[0]))
        };
        let batch = batch.map_err(|problem| match problem {
            Problem::Hostile(reason) => DataError::refused(&full_name, reason),
            Problem::Broken(reason) => DataError::damaged(&full_name, reason),
        })?;
        parts.push(Part { name: full_name, len: batch.planes.len() });
        batch.planes.iter().for_each(|planes| push_interleaved(&mut table, planes));
        labels.extend(batch.labels);
    }
    let class_names = class_names(files.get(layout.meta), layout);
    let reader = Box::new(Table::new(SHAPE, table, parts));
    let labels = with_labels.then_some(labels);
    Ok(Pictures { reader, labels, class_names, passed_over: PassedOver::default() })
}

/// The images of one file, each as three planes, and their labels if they are wanted.
struct Batch<'a> {
    planes: Vec<Cow<'a, [u8]>>,
    labels: Vec<usize>,
}

enum Problem {
    Broken(String),
    Hostile(String),
}

fn binary_batch(bytes: &[u8], label_bytes: usize) -> Result<Batch<'_>, Problem> {
    let record = label_bytes + PIXEL_BYTES;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let n_bytes = bytes.len();
        return Err(Problem::Broken(format!("{n_bytes} bytes are no multiple of a record's {record}")));
    }
    let records = bytes.chunks_exact(record);
    Ok(Batch {
        labels: records.clone().map(|record| usize::from(record[label_bytes - 1])).collect(),
        planes: records.map(|record| record[label_bytes..].into()).collect(),
    })
}

fn pickled_batch(bytes: &[u8], labels_key: Option<&str>) -> Result<Batch<'static>, Problem> {
    let broken = |reason: String| Problem::Broken(reason);
    let dictionary = Dictionary::read(bytes).map_err(Problem::Hostile)?;
    let (shape, pixels) = dictionary
        .array("data")
        .ok_or_else(|| broken("its dictionary has no uint8 array `data`".to_owned()))?;
    if !matches!(shape, [n, PIXEL_BYTES] if *n > 0) {
        return Err(broken(format!("`data` must be [n, {PIXEL_BYTES}], it is {shape:?}")));
    }
    let read_labels = |key: &str| {
        let labels = dictionary.numbers(key)?.into_iter().map(|label| usize::try_from(label).ok());
        labels.collect::<Option<Vec<_>>>().filter(|labels| labels.len() == shape[0])
    };
    let labels = match labels_key {
        Some(key) => read_labels(key)
            .ok_or_else(|| broken(format!("`{key}` must be a class number for each image")))?,
        None => Vec::new(),
    };
    let planes = pixels.chunks_exact(PIXEL_BYTES).map(|planes| planes.to_vec().into()).collect();
    Ok(Batch { planes, labels })
}

/// Three planes to channels last.
fn push_interleaved(table: &mut Vec<u8>, planes: &[u8]) {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let pixels = red.iter().zip(green).zip(blue);
    table.extend(pixels.flat_map(|((&r, &g), &b)| [r, g, b]));
}

/// The names in the file that comes with the set. Without it the ten are known by heart and the
/// hundred go by number.
fn class_names(meta: Option<&Vec<u8>>, layout: &Layout) -> Vec<String> {
    let from_file = meta.and_then(|meta| {
        if layout.label_bytes == 0 {
            return Dictionary::read(meta).ok()?.texts(layout.keys[1]);
        }
        let lines = String::from_utf8_lossy(meta);
        Some(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    });
    match from_file {
        Some(names) => names,
        None if layout.is_cifar_10() => CIFAR_10_CLASSES.map(str::to_owned).to_vec(),
        None => Vec::new(),
    }
}
