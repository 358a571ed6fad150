//! Batches of images as numpy archives: what published samplers write and evaluators read.
//!
//! `arr_0` holds `uint8` images, `[n, height, width, channels]` or `[n, height, width]`, and
//! `arr_1`, if present, one integer label for each. [`read_numbers`] reads what else lies in such files: the
//! means and covariances that published distances are taken to.

use std::io::Read;
use std::path::Path;

use super::archive::{Archive, Entry};
use super::image::MAX_SIDE;
use super::image_set::Pictures;
use super::npy::NpyHeader;
use super::npz_writer::NpzWriter;
use super::table::{Part, Table};
use super::{DataError, ImageShape};

/// The largest array that is taken into memory.
const MAX_BYTES: usize = 4 << 30;

/// Reads a whole archive into memory.
pub(super) fn open(path: &Path) -> Result<Pictures, DataError> {
    let archive = Archive::open(path)?;
    let Some(images) = archive.find("arr_0.npy") else {
        let names: Vec<&str> = archive.entries().iter().map(|entry| entry.name.as_str()).collect();
        let reason = format!("images are read from `arr_0`, this archive has: {}", names.join(", "));
        return Err(DataError::unsupported(path.display().to_string(), reason));
    };
    let (header, bytes) = read_array(&archive, images, |header| {
        if !matches!(header.descr.as_str(), "|u1" | "<u1") {
            return Err(format!("images must be uint8, these are `{}`", header.descr));
        }
        if header.fortran_order && header.shape.len() > 1 {
            return Err("column-major arrays are not read; save it with `numpy.ascontiguousarray`".into());
        }
        images_shape(&header.shape).map(|_| 1)
    })?;
    let name = archive.full_name(images);
    let (n_images, shape) =
        images_shape(&header.shape).map_err(|reason| DataError::unsupported(name.clone(), reason))?;
    if shape.height > MAX_SIDE || shape.width > MAX_SIDE {
        return Err(DataError::refused(name, format!("its images are {shape}, over {MAX_SIDE}")));
    }
    if bytes.is_empty() {
        return Err(DataError::Empty { path: path.to_path_buf(), ignored: 0 });
    }
    let labels = match archive.find("arr_1.npy") {
        Some(entry) => Some(read_labels(&archive, entry)?),
        None => None,
    };
    let parts = vec![Part { name, len: n_images }];
    let reader = Box::new(Table::new(shape, bytes, parts));
    Ok(Pictures { reader, labels, class_names: Vec::new(), n_ignored: 0 })
}

/// How many images an array holds, and of which shape.
fn images_shape(axes: &[usize]) -> Result<(usize, ImageShape), String> {
    let shape = |height, width, channels| ImageShape { height, width, channels };
    match *axes {
        [n, height, width] => Ok((n, shape(height, width, 1))),
        [n, height, width, channels @ (1 | 3)] => Ok((n, shape(height, width, channels))),
        _ => Err(format!(
            "images must be [n, height, width, 1 or 3] or [n, height, width], these are {axes:?}"
        )),
    }
}

fn read_labels(archive: &Archive, entry: &Entry) -> Result<Vec<usize>, DataError> {
    let (header, bytes) =
        read_array(archive, entry, |header| match (header.descr.as_str(), header.shape.len()) {
            ("<i4", 1) => Ok(4),
            ("<i8", 1) => Ok(8),
            (descr, _) => Err(format!(
                "labels must be int32 or int64 with one axis, these are `{descr}` {:?}",
                header.shape
            )),
        })?;
    let name = archive.full_name(entry);
    let width = if header.descr == "<i4" { 4 } else { 8 };
    let label = |bytes: &[u8]| {
        // Two's complement: a negative label has its last byte's top bit set and stays as large.
        let mut wide = [if bytes[width - 1] >= 0x80 { 0xff } else { 0 }; 8];
        wide[..width].copy_from_slice(bytes);
        usize::try_from(i64::from_le_bytes(wide))
            .map_err(|_| DataError::labels(name.clone(), "a label is negative"))
    };
    bytes.chunks_exact(width).map(label).collect()
}

/// An array of floating-point numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The extents.
    pub shape: Vec<usize>,
    /// The numbers; their count follows from the extents.
    pub values: Vec<f64>,
}

/// Reads named arrays of floating-point numbers; none in the place of those that are not there.
///
/// # Errors
///
/// - What a zip archive of images is refused for.
/// - [`DataError::Unsupported`] if an array holds other than f32 or f64, [`DataError::Damaged`] if it does not hold what its
///   header promises, [`DataError::Refused`] if it is over 4 GiB or would have to be run.
///
/// # Examples
///
/// ```no_run
/// let arrays = onestep::data::npz::read_numbers("cifar10-32x32.npz".as_ref(), &["mu", "sigma"])?;
/// # Ok::<(), onestep::Error>(())
/// ```
pub fn read_numbers(path: &Path, names: &[&str]) -> Result<Vec<Option<Numbers>>, DataError> {
    let archive = Archive::open(path)?;
    let read = |name: &&str| {
        let entry = archive.find(&format!("{name}.npy"));
        entry.map(|entry| read_floats(&archive, entry)).transpose()
    };
    names.iter().map(read).collect()
}

/// Whether there are images in an archive, under the name they are read from.
///
/// # Errors
///
/// What a zip archive of images is refused for.
pub fn has_images(path: &Path) -> Result<bool, DataError> {
    Ok(Archive::open(path)?.find("arr_0.npy").is_some())
}

fn read_floats(archive: &Archive, entry: &Entry) -> Result<Numbers, DataError> {
    let (header, bytes) = read_array(archive, entry, |header| match header.descr.as_str() {
        "<f4" => Ok(4),
        "<f8" => Ok(8),
        descr => Err(format!("float32 or float64 is needed, this is `{descr}`")),
    })?;
    let mut values: Vec<f64> = if header.descr == "<f4" {
        bytes.as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
    } else {
        bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
    };
    match header.shape[..] {
        [rows, columns] if header.fortran_order => {
            let at = |index: usize| values[index % columns * rows + index / columns];
            values = (0..rows * columns).map(at).collect();
        }
        [_, _, _, ..] if header.fortran_order => {
            let reason = "column-major arrays of three axes or more are not read";
            return Err(DataError::unsupported(archive.full_name(entry), reason));
        }
        _ => {}
    }
    Ok(Numbers { shape: header.shape, values })
}

/// Writes named arrays of f64, whole or not at all.
///
/// The archive is not compressed and holds no times, so equal arrays give equal files.
///
/// # Errors
///
/// - [`DataError::Setting`] if an array does not have the numbers its shape promises.
/// - [`DataError::Write`] if the file cannot be written.
pub fn write_numbers(path: &Path, arrays: &[(&str, &Numbers)]) -> Result<(), DataError> {
    if let Some((name, array)) =
        arrays.iter().find(|(_, array)| array.shape.iter().product::<usize>() != array.values.len())
    {
        let reason = format!("of `{name}` need the numbers of {:?}, got {}", array.shape, array.values.len());
        return Err(DataError::Setting { setting: "arrays", reason });
    }
    let mut archive = NpzWriter::create(path)?;
    for (name, array) in arrays {
        archive.begin(name, "<f8", 8, array.shape.clone())?;
        for value in &array.values {
            archive.extend(&value.to_le_bytes())?;
        }
    }
    archive.finish()
}

/// Reads one array; `item_size` looks at the header first, and refuses it or sizes its elements.
fn read_array(
    archive: &Archive,
    entry: &Entry,
    item_size: impl FnOnce(&NpyHeader) -> Result<usize, String>,
) -> Result<(NpyHeader, Vec<u8>), DataError> {
    let name = archive.full_name(entry);
    // The outer result is the archive's fault, the inner one the array's.
    archive.with_reader(entry, |reader| {
        let header = NpyHeader::read(reader)?;
        if header.descr.contains('O') {
            let reason = "its elements are Python objects, which only running a program can read";
            return Ok(Err(DataError::refused(name, reason)));
        }
        let item_size = match item_size(&header) {
            Ok(item_size) => item_size,
            Err(reason) => return Ok(Err(DataError::unsupported(name, reason))),
        };
        let n_bytes = header.shape.iter().try_fold(item_size, |n, &axis| n.checked_mul(axis));
        let Some(n_bytes) = n_bytes.filter(|&n_bytes| n_bytes <= MAX_BYTES) else {
            let reason = format!("an array of shape {:?} is over {} GiB", header.shape, MAX_BYTES >> 30);
            return Ok(Err(DataError::refused(name, reason)));
        };
        // Grown as data arrives: a header may promise what the file does not hold.
        let mut bytes = Vec::new();
        reader.take(n_bytes as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() != n_bytes {
            let compared = if bytes.len() < n_bytes { "fewer" } else { "more" };
            let reason = format!("the header promises {n_bytes} bytes, the array has {compared}");
            return Ok(Err(DataError::damaged(name, reason)));
        }
        Ok(Ok((header, bytes)))
    })?
}

/// Writes images, and labels if given, as `arr_0` and `arr_1`, whole or not at all.
///
/// The archive is not compressed and holds no times, so equal images give equal files.
///
/// # Shapes
///
/// - `pixels`: `[n, height, width, channels]`, `n` being what the length gives.
/// - `labels`: `[n]`.
///
/// # Errors
///
/// - [`DataError::Setting`] if the lengths do not fit the shape or each other.
/// - [`DataError::Write`] if the file cannot be written.
pub fn write(path: &Path, pixels: &[u8], shape: ImageShape, labels: Option<&[i64]>) -> Result<(), DataError> {
    let n_images = pixels.len().checked_div(shape.n_values()).unwrap_or(0);
    if n_images * shape.n_values() != pixels.len() {
        let reason = format!("must hold whole images of {shape}, got {} bytes", pixels.len());
        return Err(DataError::Setting { setting: "pixels", reason });
    }
    if let Some(labels) = labels.filter(|labels| labels.len() != n_images) {
        let reason = format!("must be one for each of {n_images} images, got {}", labels.len());
        return Err(DataError::Setting { setting: "labels", reason });
    }
    let ImageShape { height, width, channels } = shape;
    let mut archive = NpzWriter::create(path)?;
    archive.begin("arr_0", "|u1", 1, vec![n_images, height, width, channels])?;
    archive.extend(pixels)?;
    if let Some(labels) = labels {
        archive.begin("arr_1", "<i8", 8, vec![n_images])?;
        let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        archive.extend(&bytes)?;
    }
    archive.finish()
}
