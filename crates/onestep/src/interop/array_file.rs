//! Named arrays in a file, read one at a time.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use super::{NamedArrays, WeightsFileError};
use crate::arrays::{Rules, TensorFile, TensorFileError, all_finite};

/// Named arrays in a file, whose values are read when they are asked for: a model of gigabytes is never in memory as a whole.
pub trait ArrayFile: Debug + Send {
    /// All names, each with the shape that it has in the file.
    fn shapes(&self) -> &BTreeMap<String, Vec<usize>>;

    /// The values of one array in row-major order, whatever their type in the file, as f32.
    ///
    /// # Errors
    ///
    /// [`WeightsFileError`]: damage that only reading shows, a value that is NaN or infinite, or no array of this name.
    fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsFileError>;
}

/// Reads all arrays of a file.
pub(super) fn read_all(mut file: Box<dyn ArrayFile>) -> Result<NamedArrays, WeightsFileError> {
    let shapes = file.shapes().clone();
    shapes
        .into_iter()
        .map(|(name, shape)| {
            let values = file.read(&name)?;
            Ok((name, (shape, values)))
        })
        .collect()
}

/// The error for an array that is not there.
pub(super) fn absent(file: &str, array: &str) -> WeightsFileError {
    WeightsFileError::Damaged { name: file.to_owned(), reason: format!("it holds no array `{array}`") }
}

/// Refuses values that are NaN or infinite.
pub(super) fn finite(file: &str, array: &str, values: Vec<f32>) -> Result<Vec<f32>, WeightsFileError> {
    match all_finite(array, &values) {
        Ok(()) => Ok(values),
        Err(reason) => Err(WeightsFileError::Tensors { name: file.to_owned(), reason }),
    }
}

/// A safetensors file.
#[derive(Debug)]
pub(super) struct SafetensorsFile {
    name: String,
    shapes: BTreeMap<String, Vec<usize>>,
    file: TensorFile<BufReader<File>>,
}

impl SafetensorsFile {
    /// Reads the header of an open file of so many bytes.
    pub(super) fn open(mut file: File, length: u64, path: &Path) -> Result<Self, WeightsFileError> {
        let name = path.display().to_string();
        file.seek(SeekFrom::Start(0))
            .map_err(|source| WeightsFileError::Read { path: path.to_path_buf(), source })?;
        let file = TensorFile::open(BufReader::new(file), length, Rules::FOREIGN)
            .map_err(|reason| tensors_error(&name, reason))?;
        let shape = |shape: &[u64]| shape.iter().map(|&n| n as usize).collect();
        let shapes: BTreeMap<_, _> =
            file.shapes().map(|(name, extents)| (name.to_owned(), shape(extents))).collect();
        if shapes.is_empty() {
            return Err(WeightsFileError::Damaged { name, reason: "it holds no tensors".into() });
        }
        Ok(Self { name, shapes, file })
    }
}

impl ArrayFile for SafetensorsFile {
    fn shapes(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.shapes
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsFileError> {
        match self.file.read_one(name) {
            Ok(Some(values)) => Ok(values),
            Ok(None) => Err(absent(&self.name, name)),
            Err(reason) => Err(tensors_error(&self.name, reason)),
        }
    }
}

/// What is wrong with a safetensors file, with its name.
pub(super) fn tensors_error(name: &str, reason: TensorFileError) -> WeightsFileError {
    match reason {
        TensorFileError::Io(source) => WeightsFileError::Read { path: name.into(), source },
        reason => WeightsFileError::Tensors { name: name.to_owned(), reason },
    }
}

/// Arrays that are in memory already.
#[derive(Debug)]
pub(super) struct InMemory {
    name: String,
    shapes: BTreeMap<String, Vec<usize>>,
    arrays: NamedArrays,
}

impl InMemory {
    /// Arrays that errors call those of `name`.
    pub(super) fn new(name: &str, arrays: NamedArrays) -> Self {
        let shapes = arrays.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect();
        Self { name: name.to_owned(), shapes, arrays }
    }
}

impl ArrayFile for InMemory {
    fn shapes(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.shapes
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsFileError> {
        let (_, values) = self.arrays.get(name).ok_or_else(|| absent(&self.name, name))?;
        finite(&self.name, name, values.clone())
    }
}
