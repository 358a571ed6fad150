//! Batches of images as numpy archives: what published samplers write and evaluators read.
//!
//! [`write()`] writes `arr_0`, `uint8` images `[n, height, width, channels]`, and `arr_1`, one integer label for each;
//! [`open()`](super::open()) reads those and what else numpy users write. [`read_numbers`] reads what else lies in such files: the
//! means and covariances that published distances are taken to.

use std::io::Read;
use std::path::Path;

use super::archive::{Archive, Entry};
use super::npy::NpyHeader;
use super::npz_writer::NpzWriter;
use super::numpy_images::find_images;
use super::{DataError, ImageShape};

/// The largest array that is taken into memory.
const MAX_BYTES: usize = 4 << 30;

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

/// Whether there are images in an archive, under a name they are read from.
///
/// # Errors
///
/// What a zip archive of images is refused for.
pub fn has_images(path: &Path) -> Result<bool, DataError> {
    Ok(find_images(&Archive::open(path)?, None).is_some())
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
        let (header, _) = NpyHeader::read(reader)?;
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
