//! Writing tensor files through the storage seam.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use burn::tensor::Tensor;

use super::header::render;
use super::seal::seal;
use super::storage::StoredFile;
use super::{CheckpointError, Disk, ModelHeader, Storage};
use crate::arrays::{Array, Layout, TensorFileError, Values, write_tensors};
use crate::digest::Digesting;
use crate::lock::create_scratch;
use crate::model::{ParameterSpec, Weights};

/// Writes the files of one folder and keeps their digests.
pub(crate) struct Writer<'a> {
    pub storage: &'a dyn Storage,
    /// Where they are written.
    pub folder: &'a Path,
    /// Bytes of the whole save, to report a full disk with.
    pub needed: u64,
    /// SHA-256 by file name.
    pub digests: BTreeMap<String, String>,
}

impl Writer<'_> {
    /// Writes a model file, which carries its own digest.
    pub(crate) fn model(
        &mut self,
        name: &str,
        header: &ModelHeader,
        tensors: Vec<Array<'_>>,
    ) -> Result<(), CheckpointError> {
        let file = self.created(name)?;
        self.model_into(file, name, header, tensors)
    }

    /// The same into a file that is there already, under this name.
    fn model_into(
        &mut self,
        file: Box<dyn StoredFile>,
        name: &str,
        header: &ModelHeader,
        mut tensors: Vec<Array<'_>>,
    ) -> Result<(), CheckpointError> {
        let metadata = render("model header", &self.folder.join(name), header)?;
        self.fill(file, name, |output| {
            let metadata = seal(&metadata, &mut tensors)?;
            write_tensors(output, &metadata, tensors, Layout::ByName)
        })
    }

    /// Writes a tensor file and forces it to disk.
    pub(crate) fn tensors(
        &mut self,
        name: &str,
        metadata: &str,
        tensors: Vec<Array<'_>>,
    ) -> Result<(), CheckpointError> {
        self.file(name, |output| write_tensors(output, metadata, tensors, Layout::ByName))
    }

    /// Writes text and forces it to disk.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> Result<(), CheckpointError> {
        self.file(name, |output| Ok(output.write_all(text.as_bytes())?))
    }

    fn file(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), TensorFileError>,
    ) -> Result<(), CheckpointError> {
        let file = self.created(name)?;
        self.fill(file, name, write)
    }

    fn created(&self, name: &str) -> Result<Box<dyn StoredFile>, CheckpointError> {
        let path = self.folder.join(name);
        let failed = |error| CheckpointError::from_io("create the file", &path, error, self.needed);
        self.storage.create_file(&path).map_err(failed)
    }

    fn fill(
        &mut self,
        file: Box<dyn StoredFile>,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), TensorFileError>,
    ) -> Result<(), CheckpointError> {
        let path = self.folder.join(name);
        let failed = |action| {
            let (path, needed) = (path.clone(), self.needed);
            move |error| CheckpointError::from_io(action, &path, error, needed)
        };
        let mut output = Digesting::new(file);
        match write(&mut output) {
            Ok(()) => {}
            Err(TensorFileError::NotFinite { name, index }) => {
                return Err(CheckpointError::NotFinite { path, tensor: name, index });
            }
            Err(error) => return Err(failed("write the file")(error.into())),
        }
        output.inner.sync().map_err(failed("force the file to disk"))?;
        self.digests.insert(name.to_string(), output.hex());
        Ok(())
    }
}

/// Writes weights as one model file, whole or not at all; an existing file is replaced.
///
/// # Errors
///
/// - [`CheckpointError::NotFinite`]: weights that hold NaN or infinity are never written.
/// - [`CheckpointError::DiskFull`], [`CheckpointError::CannotCreate`], [`CheckpointError::Io`]; an existing file is as
///   it was.
pub fn save_model(path: &Path, header: &ModelHeader, weights: &Weights) -> Result<(), CheckpointError> {
    save_arrays(path, header, arrays_of(weights))
}

/// As [`save_model`], with every number rounded to 16 bits: half the bytes, and a model to use rather than to train on.
///
/// # Errors
///
/// As [`save_model`]; a weight too large for 16 bits (65,504) counts as infinite.
pub fn save_compact_model(
    path: &Path,
    header: &ModelHeader,
    weights: &Weights,
) -> Result<(), CheckpointError> {
    save_arrays(path, header, arrays_as(weights, Values::Half))
}

/// Weights as arrays to be written.
pub(crate) fn arrays_of(weights: &Weights) -> Vec<Array<'_>> {
    arrays_as(weights, Values::Tensor)
}

/// The same, whose numbers are written as `values` says.
fn arrays_as<'a>(weights: &'a Weights, values: fn(&'a Tensor<1>) -> Values<'a>) -> Vec<Array<'a>> {
    let array = |(spec, tensor): (&ParameterSpec, &'a Tensor<1>)| Array {
        name: spec.name.clone(),
        shape: spec.shape.clone(),
        values: values(tensor),
    };
    weights.iter().map(array).collect()
}

/// As [`save_model`], of arrays that are perhaps made only when they are written.
pub(crate) fn save_arrays(
    path: &Path,
    header: &ModelHeader,
    arrays: Vec<Array<'_>>,
) -> Result<(), CheckpointError> {
    let storage: &dyn Storage = &Disk;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() {
        return Err(CheckpointError::NotFound { path: path.to_path_buf() });
    }
    let n_values = |array: &Array<'_>| array.shape.iter().map(|&extent| extent as u64).product::<u64>();
    let needed = 4 * arrays.iter().map(n_values).sum::<u64>();
    let io = |action| move |error| CheckpointError::from_io(action, path, error, needed);
    // Locked until it has its final name: what a killed process left of it is taken over.
    let (temporary_path, scratch) = create_scratch(path).map_err(io("create the file"))?;
    let _lock = scratch.try_clone();
    let temporary = temporary_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut writer = Writer { storage, folder, needed, digests: BTreeMap::new() };
    let result = writer
        .model_into(Box::new(scratch), &temporary, header, arrays)
        .and_then(|()| storage.rename(&temporary_path, path).map_err(io("create the file")))
        .and_then(|()| storage.sync_folder(folder).map_err(io("force the folder to disk")));
    if result.is_err() {
        let _ = storage.remove_file(&temporary_path);
    }
    result.map_err(|error| error.at(path))
}
