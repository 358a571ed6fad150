//! Where the memory of tensors lies, and the arrays that they show of it.

use std::collections::BTreeMap;
use std::fs::File;

use super::archive::Archive;
use super::broken;
use super::pickle::{Storage, Tensors};
use super::problem::Problem;
use super::views::{Views, gather, n_bytes};
use crate::file::{Input, Span};
use crate::interop::WeightsFileError;
use crate::interop::array_file::{ArrayFile, absent, finite};

/// Bytes that are turned into numbers at a time.
const CHUNK: u64 = 1 << 20;

/// The memory of a file's tensors.
#[derive(Debug)]
pub(super) enum Memory {
    /// Each piece is an entry of a zip, in a folder whose name ends in a slash.
    Zip { archive: Archive, folder: String },
    /// Each piece lies at its place in the file.
    File(File),
}

impl Memory {
    /// Refuses a piece that is not there in its full length, before any value is asked for.
    fn check(&mut self, storage: &Storage) -> Result<(), Problem> {
        let expected = n_bytes(storage)? as u64;
        match self {
            Self::Zip { archive, folder } => {
                let entry = entry_of(folder, storage)?;
                let size = archive.size(&entry)?;
                if size != expected {
                    let reason = format!("`{entry}` has {size} bytes, the tensors in it need {expected}");
                    return Err(broken(reason));
                }
                Ok(())
            }
            // The places of a file were found by passing over them.
            Self::File(_) => storage.at.map(drop).ok_or_else(|| no_place(storage)),
        }
    }

    fn read(&mut self, storage: &Storage) -> Result<Vec<f32>, Problem> {
        let n_bytes = n_bytes(storage)? as u64;
        match self {
            Self::Zip { archive, folder } => {
                let bytes = archive.read(&entry_of(folder, storage)?, n_bytes)?;
                Ok(storage.element.values(&bytes))
            }
            Self::File(file) => {
                let start = storage.at.ok_or_else(|| no_place(storage))?;
                let span = Span { start, length: n_bytes };
                let mut input = Input::file(file, span.end()).section(span).map_err(Problem::Broken)?;
                let mut values = Vec::with_capacity(storage.length);
                while input.left() > 0 {
                    let bytes = input.bytes(input.left().min(CHUNK)).map_err(Problem::Broken)?;
                    storage.element.append(&bytes, &mut values);
                }
                Ok(values)
            }
        }
    }
}

/// The entry that a piece of memory lies in.
fn entry_of(folder: &str, storage: &Storage) -> Result<String, Problem> {
    if storage.at.is_some() {
        return Err(broken("some of its tensors lie in its `data.pkl`, which no version of PyTorch writes"));
    }
    Ok(format!("{folder}data/{}", storage.key))
}

fn no_place(storage: &Storage) -> Problem {
    broken(format!("memory `{}` is missing in it", storage.key))
}

/// The tensors of a file that PyTorch wrote.
#[derive(Debug)]
pub(in crate::interop) struct TorchArrays {
    name: String,
    memory: Memory,
    views: Views,
    shapes: BTreeMap<String, Vec<usize>>,
    /// The memory that was read last, for tensors that share it.
    last: Option<(String, Vec<f32>)>,
}

impl TorchArrays {
    /// Tensors of a file that errors call `name`; their memory must be there, in its full length.
    pub(super) fn new(name: &str, mut memory: Memory, tensors: Tensors) -> Result<Self, Problem> {
        let views = Views::new(tensors)?;
        let shapes = views.shapes();
        for view in shapes.keys().filter_map(|name| views.get(name)) {
            memory.check(&view.storage)?;
        }
        Ok(Self { name: name.to_owned(), memory, views, shapes, last: None })
    }

    fn values(&mut self, name: &str) -> Result<Option<Vec<f32>>, Problem> {
        let Some(view) = self.views.get(name) else { return Ok(None) };
        let key = &view.storage.key;
        let values = match self.last.take() {
            Some((last, values)) if last == *key => values,
            _ => self.memory.read(&view.storage)?,
        };
        if view.is_whole() {
            return Ok(Some(values));
        }
        let gathered = gather(view, &values);
        self.last = Some((key.clone(), values));
        Ok(Some(gathered))
    }
}

impl ArrayFile for TorchArrays {
    fn shapes(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.shapes
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsFileError> {
        let values = self.values(name).map_err(|problem| problem.of(&self.name))?;
        finite(&self.name, name, values.ok_or_else(|| absent(&self.name, name))?)
    }
}
