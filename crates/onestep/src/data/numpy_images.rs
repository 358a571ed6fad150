//! Images in numpy's files: an archive of arrays (npz), or one array (npy).

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Mutex;

use super::archive::{Archive, Entry};
use super::image_set::Pictures;
use super::npy::NpyHeader;
use super::pixel_array::{Element, Layout, Scale};
use super::store::{FilePart, Store, StoreWriter, is_large};
use super::table::{Part, Table};
use super::{DataError, PassedOver, Split};
use crate::file;

/// What arrays of images and of labels are called: by published samplers, and by who saves a data set.
const NAMES: [(&str, [&str; 3]); 9] = [
    ("arr_0", ["arr_1", "labels", "y"]),
    ("images", ["labels", "label", "y"]),
    ("image", ["labels", "label", "y"]),
    ("x_train", ["y_train", "labels_train", "train_labels"]),
    ("X_train", ["y_train", "Y_train", "labels_train"]),
    ("train_images", ["train_labels", "y_train", "labels_train"]),
    ("x", ["y", "labels", "label"]),
    ("X", ["y", "Y", "labels"]),
    ("data", ["labels", "label", "y"]),
];

/// The same of what is held back.
const TEST_NAMES: [(&str, [&str; 3]); 3] = [
    ("x_test", ["y_test", "labels_test", "test_labels"]),
    ("X_test", ["y_test", "Y_test", "labels_test"]),
    ("test_images", ["test_labels", "y_test", "labels_test"]),
];

/// The same of what is looked at while a model is made.
const VAL_NAMES: [(&str, [&str; 3]); 3] = [
    ("x_val", ["y_val", "labels_val", "val_labels"]),
    ("X_val", ["y_val", "Y_val", "labels_val"]),
    ("val_images", ["val_labels", "y_val", "labels_val"]),
];

/// The most that is unpacked, in bytes: larger arrays must be stored as they are.
const MAX_UNPACKED: u64 = 64 << 30;

/// The largest array of labels, and the largest that is read whole, in bytes.
const MAX_WHOLE: u64 = 4 << 30;

/// The most numbers in one image.
const MAX_VALUES: usize = 256 << 20;

/// Reads the images of an archive, and their labels if those are wanted.
pub(super) fn open_npz(path: &Path, labels: bool, split: Option<Split>) -> Result<Pictures, DataError> {
    let archive = Archive::open(path)?;
    let Some((images, label_names)) = find_images(&archive, split) else {
        let missing = split.filter(|_| find_images(&archive, None).is_some());
        if let Some(split) = missing {
            return Err(DataError::NoSplit { name: path.display().to_string(), split });
        }
        let names: Vec<&str> = archive.entries().iter().map(|entry| entry.name.as_str()).collect();
        let reason = format!(
            "images are read from an array called `arr_0`, `images`, `x`, `x_train` or `data`, this archive has: {}",
            names.join(", ")
        );
        return Err(DataError::unsupported(path.display().to_string(), reason));
    };
    let labels_entry = label_names.iter().find_map(|name| archive.find(&format!("{name}.npy")));
    let reader = Box::new(read_images(&Array::Entry(&archive, images), path)?);
    let labels = labels_entry.filter(|_| labels).map(|entry| read_labels(&Array::Entry(&archive, entry)));
    Ok(Pictures {
        reader,
        labels: labels.transpose()?,
        class_names: Vec::new(),
        passed_over: PassedOver::default(),
    })
}

/// Reads the images of a file that is one array. It has no labels.
pub(super) fn open_npy(path: &Path) -> Result<Pictures, DataError> {
    let reader = Box::new(read_images(&Array::File(path), path)?);
    Ok(Pictures { reader, labels: None, class_names: Vec::new(), passed_over: PassedOver::default() })
}

/// The array of images in an archive, and what its labels may be called.
pub(super) fn find_images(archive: &Archive, split: Option<Split>) -> Option<(&Entry, [&'static str; 3])> {
    let names: &[_] = match split {
        None | Some(Split::Train) => &NAMES,
        Some(Split::Val) => &VAL_NAMES,
        Some(Split::Test) => &TEST_NAMES,
    };
    names.iter().find_map(|&(name, labels)| Some((archive.find(&format!("{name}.npy"))?, labels)))
}

/// Where an array lies. It may be read more than once.
enum Array<'a> {
    Entry(&'a Archive, &'a Entry),
    File(&'a Path),
}

impl Array<'_> {
    fn name(&self) -> String {
        match self {
            Self::Entry(archive, entry) => archive.full_name(entry),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The bytes of header and numbers.
    fn n_bytes(&self) -> Result<u64, DataError> {
        match self {
            Self::Entry(_, entry) => Ok(entry.size),
            Self::File(path) => Ok(path.metadata().map_err(|error| DataError::read(path, error))?.len()),
        }
    }

    fn with_reader<T>(&self, body: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> Result<T, DataError> {
        match self {
            Self::Entry(archive, entry) => archive.with_reader(entry, body),
            Self::File(path) => {
                let file = file::open(path).map_err(|error| DataError::read(path, error))?;
                body(&mut BufReader::with_capacity(1 << 20, file)).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                        DataError::damaged(self.name(), error.to_string())
                    }
                    _ => DataError::read(path, error),
                })
            }
        }
    }

    /// Reads the header, and compares what it promises with what there is.
    fn header(&self) -> Result<(NpyHeader, Element, u64), DataError> {
        let (header, header_len) = self.with_reader(|reader| NpyHeader::read(reader))?;
        if header.descr.contains('O') {
            let reason = "its elements are Python objects, which only running a program can read";
            return Err(DataError::refused(self.name(), reason));
        }
        let Some(element) = Element::of(&header.descr) else {
            let reason = format!(
                "numbers of the type `{}` are not read; save them as uint8 (`x.astype(numpy.uint8)`) or float32",
                header.descr
            );
            return Err(DataError::unsupported(self.name(), reason));
        };
        let n_bytes =
            header.shape.iter().try_fold(element.size as u64, |n, &axis| n.checked_mul(axis as u64));
        let there = self.n_bytes()?.saturating_sub(header_len);
        match n_bytes {
            Some(n_bytes) if n_bytes == there => Ok((header, element, header_len)),
            Some(n_bytes) if n_bytes < 1 << 60 => {
                let compared = if there < n_bytes { "fewer" } else { "more" };
                let reason =
                    format!("the header promises {n_bytes} bytes, the array has {compared} ({there})");
                Err(DataError::damaged(self.name(), reason))
            }
            _ => {
                let reason = format!("an array of shape {:?} is over what any disk holds", header.shape);
                Err(DataError::refused(self.name(), reason))
            }
        }
    }

    /// Hands the numbers of one image after another to `body`.
    fn for_each(
        &self,
        n_bytes: usize,
        n_images: usize,
        mut body: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), DataError> {
        self.with_reader(|reader| {
            NpyHeader::read(reader)?;
            let mut image = vec![0; n_bytes];
            for _ in 0..n_images {
                reader.read_exact(&mut image)?;
                body(&image)?;
            }
            // Nothing must come behind, and asking for it runs the checksum.
            match reader.read(&mut [0])? {
                0 => Ok(()),
                _ => {
                    Err(io::Error::new(io::ErrorKind::InvalidData, "the array goes on after its last number"))
                }
            }
        })
    }

    /// The file itself, where the numbers lie in it as they are.
    fn in_place(&self, header_len: u64, n_bytes: u64) -> Result<Option<Store>, DataError> {
        let (path, start) = match self {
            Self::Entry(archive, entry) => match archive.place(entry)? {
                Some(start) => (archive.path(), start),
                None => return Ok(None),
            },
            Self::File(path) => (*path, 0),
        };
        let file = file::open(path).map_err(|error| DataError::read(path, error))?;
        Ok(Some(Store::File(FilePart { file: Mutex::new(file), start: start + header_len, n_bytes })))
    }
}

/// Reads an array of images, image by image: neither an array nor its file need fit into memory.
fn read_images(array: &Array<'_>, path: &Path) -> Result<Table, DataError> {
    let name = array.name();
    let unsupported = |reason: String| DataError::unsupported(name.clone(), reason);
    let (header, element, header_len) = array.header()?;
    if header.shape.first() == Some(&0) {
        return Err(DataError::Empty { path: path.to_path_buf(), passed_over: PassedOver::default() });
    }
    let layout = Layout::of(&header.shape).map_err(unsupported)?;
    let (n_images, shape) = (layout.n_images, layout.shape());
    let n_stored = layout.n_stored();
    if n_stored == 0 || n_stored > MAX_VALUES {
        return Err(unsupported(format!("its images are {shape}; nothing so small or large is read")));
    }
    let n_raw = n_stored * element.size;
    let n_bytes = (n_images * shape.n_values()) as u64;
    let parts = vec![Part { name: name.clone(), len: n_images }];
    let is_column_major = header.fortran_order && header.shape.len() > 1;
    let lies_as_pixels = element.is_byte() && layout.is_plain() && !is_column_major;
    if is_large(n_bytes)
        && lies_as_pixels
        && let Some(store) = array.in_place(header_len, n_bytes)?
    {
        return Ok(Table::new(shape, store, parts).read_as(layout.describe()));
    }
    if n_raw as u64 * n_images as u64 > MAX_UNPACKED {
        let reason = format!(
            "its images take over {} GiB; save them as uint8 with `numpy.savez`, which does not compress: such are read in place",
            MAX_UNPACKED >> 30
        );
        return Err(unsupported(reason));
    }
    let rows = if is_column_major { Some(row_major(array, &header, element)?) } else { None };
    let each = |body: &mut dyn FnMut(&[u8]) -> io::Result<()>| match &rows {
        Some(rows) => {
            rows.chunks_exact(n_raw).try_for_each(body).map_err(|error| DataError::read(path, error))
        }
        None => array.for_each(n_raw, n_images, body),
    };
    let scale = if element.is_byte() {
        Scale::Bytes
    } else {
        let (mut least, mut most, mut is_finite) = (f64::INFINITY, f64::NEG_INFINITY, true);
        each(&mut |raw| {
            element.for_each(raw, |value| {
                is_finite &= value.is_finite();
                (least, most) = (least.min(value), most.max(value));
            });
            Ok(())
        })?;
        if !is_finite {
            return Err(unsupported("it holds values that are not finite".to_owned()));
        }
        Scale::find(element, least, most).map_err(unsupported)?
    };
    let no_room = |error: io::Error| {
        let reason = format!("it cannot be unpacked into {} ({error})", std::env::temp_dir().display());
        DataError::unsupported(name.clone(), reason)
    };
    let mut writer = StoreWriter::new(n_bytes).map_err(no_room)?;
    let mut failed = None;
    each(&mut |raw| {
        if failed.is_none() {
            failed = writer.push(&layout.pixels(raw, element, scale)).err();
        }
        Ok(())
    })?;
    if let Some(error) = failed {
        return Err(no_room(error));
    }
    let store = writer.finish().map_err(no_room)?;
    let values = if element.is_byte() { String::new() } else { format!(", values from {}", scale.range()) };
    Ok(Table::new(shape, store, parts).read_as(format!("{}{values}", layout.describe())))
}

/// The numbers of a column-major array, row-major.
fn row_major(array: &Array<'_>, header: &NpyHeader, element: Element) -> Result<Vec<u8>, DataError> {
    let columns = whole(array, header, element)?;
    let mut rows = Vec::with_capacity(columns.len());
    let mut place = vec![0; header.shape.len()];
    for _ in 0..columns.len() / element.size {
        let at = place.iter().zip(&header.shape).rev().fold(0, |at, (index, extent)| at * extent + index);
        rows.extend_from_slice(&columns[at * element.size..][..element.size]);
        for (index, extent) in place.iter_mut().zip(&header.shape).rev() {
            *index += 1;
            if *index < *extent {
                break;
            }
            *index = 0;
        }
    }
    Ok(rows)
}

/// All numbers of an array.
fn whole(array: &Array<'_>, header: &NpyHeader, element: Element) -> Result<Vec<u8>, DataError> {
    // It was compared with the length of the file.
    let n_bytes = header.shape.iter().product::<usize>() * element.size;
    if n_bytes as u64 > MAX_WHOLE {
        let reason = format!(
            "it has over {} GiB and its columns come first; save it with `numpy.ascontiguousarray`",
            MAX_WHOLE >> 30
        );
        return Err(DataError::unsupported(array.name(), reason));
    }
    let mut bytes = Vec::new();
    array.for_each(n_bytes, 1, |all| {
        bytes.extend_from_slice(all);
        Ok(())
    })?;
    Ok(bytes)
}

/// Reads the number of a class for each image: whole numbers of any type, or rows with a single 1 in the place of the class.
fn read_labels(array: &Array<'_>) -> Result<Vec<usize>, DataError> {
    let (header, element, _) = array.header()?;
    let bytes = if header.fortran_order && header.shape.len() > 1 {
        row_major(array, &header, element)?
    } else {
        whole(array, &header, element)?
    };
    let values: Vec<f64> = bytes.chunks_exact(element.size).map(|number| element.value(number)).collect();
    let bad = |reason: String| DataError::labels(array.name(), reason);
    match header.shape[..] {
        [_] | [_, 1] => {
            let label = |&value: &f64| match value {
                _ if value < 0.0 => Err(bad("a label is negative".to_owned())),
                _ if value.fract() != 0.0 || value > 1e9 => Err(bad(format!("{value} is no label"))),
                _ => Ok(value as usize),
            };
            values.iter().map(label).collect()
        }
        [_, n_classes] if n_classes > 1 => {
            let label = |row: &[f64]| {
                let class = row.iter().position(|&value| value == 1.0);
                class.filter(|_| row.iter().filter(|&&value| value != 0.0).count() == 1)
            };
            let labels: Option<_> = values.chunks_exact(n_classes).map(label).collect();
            labels.ok_or_else(|| bad("a row of labels must hold a single 1, at its class".to_owned()))
        }
        _ => Err(bad(format!("labels must be one number an image, these are {:?}", header.shape))),
    }
}
