//! The file itself, and the one of weights beside it.

use std::io::{self, Seek, Write};
use std::path::Path;

use super::initializer::Initializer;
use super::message::Message;
use super::node::entry;
use super::translation::Translation;
use super::{Export, OPSET, Written};
use crate::TOOL;
use crate::data::{DataError, WholeFile};
use crate::model::Weights;

/// The version of the file format that came with the version of the operators.
const IR_VERSION: i64 = 8;

/// Where numbers beside the file may begin: readers map pages of memory.
const PAGE: u64 = 4096;

/// Writes a model with its weights.
pub(super) fn write(
    path: &Path,
    translation: &Translation<'_>,
    weights: &Weights,
    metadata: &[(&str, String)],
    largest_file: u64,
) -> Result<Written, DataError> {
    let inside: u64 = translation.initializers.iter().map(Initializer::n_bytes).sum();
    let is_beside = translation.nodes.bytes().len() as u64 + inside > largest_file;
    let data_path = Export::data_path(path);
    let location = data_path.file_name().unwrap_or_default().to_string_lossy().into_owned();

    let mut offset = PAGE;
    let heads: Vec<Head> = translation
        .initializers
        .iter()
        .map(|initializer| {
            if !(is_beside && initializer.is_movable()) {
                return Head { message: initializer.head(), follows: initializer.n_bytes() };
            }
            let message = initializer.beside(&location, offset);
            offset = (offset + initializer.n_bytes()).next_multiple_of(PAGE);
            Head { message, follows: 0 }
        })
        .collect();

    let mut file = WholeFile::create(path)?;
    let mut output = Output { file: &mut file, weights };
    let graph_name = Message::default().text(2, "onestep");
    let parts = [&translation.nodes, &graph_name, &translation.surface];
    let parts: u64 = parts.iter().map(|part| part.bytes().len() as u64).sum();
    let length = parts + heads.iter().map(Head::field_length).sum::<u64>();
    output.bytes(&front(length))?;
    output.bytes(&translation.nodes)?;
    output.bytes(&graph_name)?;
    for (head, initializer) in heads.iter().zip(&translation.initializers) {
        output.bytes(&head.opening())?;
        output.bytes(&head.message)?;
        if head.follows > 0 {
            output.numbers(initializer)?;
        }
    }
    output.bytes(&translation.surface)?;
    output.bytes(&back(metadata))?;

    let mut files = vec![path.to_path_buf()];
    let mut bytes = position(&mut file)?;
    if is_beside {
        bytes += write_beside(&data_path, path, translation, weights)?;
        files.push(data_path);
    }
    file.finish()?;
    Ok(Written { files, bytes, n_nodes: translation.n_nodes })
}

/// Writes the parameters, each from a page of its own on; the first page says what the file is.
fn write_beside(
    data_path: &Path,
    path: &Path,
    translation: &Translation<'_>,
    weights: &Weights,
) -> Result<u64, DataError> {
    let mut file = WholeFile::create(data_path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut output = Output { file: &mut file, weights };
    let mut at = output.raw(format!("{TOOL}: weights of {name}\n").as_bytes())?;
    for initializer in translation.initializers.iter().filter(|initializer| initializer.is_movable()) {
        let start = at.next_multiple_of(PAGE);
        output.raw(&vec![0; (start - at) as usize])?;
        output.numbers(initializer)?;
        at = start + initializer.n_bytes();
    }
    file.finish()?;
    Ok(at)
}

/// The fields of a model in front of the content of its graph.
fn front(graph_length: u64) -> Message {
    let (tool, version) = TOOL.split_once(' ').unwrap_or((TOOL, ""));
    Message::default().integer(1, IR_VERSION).text(2, tool).text(3, version).opened(7, graph_length)
}

/// The fields behind the graph.
fn back(metadata: &[(&str, String)]) -> Message {
    let operators = Message::default().text(1, "").integer(2, OPSET as i64);
    metadata.iter().fold(Message::default().message(8, &operators), |model, (key, value)| {
        model.message(14, &entry(key, value))
    })
}

/// The message of an initializer, and how many bytes of numbers end it.
struct Head {
    message: Message,
    follows: u64,
}

impl Head {
    fn opening(&self) -> Message {
        Message::default().opened(5, self.message.bytes().len() as u64 + self.follows)
    }

    /// Length of the whole field in the graph.
    fn field_length(&self) -> u64 {
        (self.opening().bytes().len() + self.message.bytes().len()) as u64 + self.follows
    }
}

/// A file with the weights that go into it.
struct Output<'a> {
    file: &'a mut WholeFile,
    weights: &'a Weights,
}

impl Output<'_> {
    fn bytes(&mut self, message: &Message) -> Result<u64, DataError> {
        self.raw(message.bytes())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<u64, DataError> {
        self.file.write_all(bytes).map_err(failed(self.file))?;
        Ok(bytes.len() as u64)
    }

    fn numbers(&mut self, initializer: &Initializer) -> Result<(), DataError> {
        initializer.numbers(self.weights).write(self.file).map_err(failed(self.file))
    }
}

fn position(file: &mut WholeFile) -> Result<u64, DataError> {
    file.stream_position().map_err(failed(file))
}

fn failed(file: &WholeFile) -> impl FnOnce(io::Error) -> DataError {
    let path = file.path().to_path_buf();
    move |source| DataError::Write { path, source }
}
