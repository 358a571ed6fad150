//! Checkpoints that flax wrote with `flax.serialization.to_bytes`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::WeightsFileError;
use super::array_file::{ArrayFile, absent, finite};
use super::msgpack::{PlacedArray, Value};
use crate::arrays::Element;
use crate::file::{self, Input, Span};

/// What a long array is cut into: a map of these three keys.
const CHUNKED: &str = "__msgpack_chunked_array__";
/// Bytes that are turned into numbers at a time.
const CHUNK: u64 = 1 << 20;

/// The parameters of one network in a checkpoint of flax, by their paths: `ResnetBlockBigGANpp_0/Conv_0/kernel`.
///
/// A checkpoint holds several sets of them. The moving average, `params_ema`, is what samples are drawn with and what is read;
/// where there is none, `params`; and where there is no state around them, all that there is.
#[derive(Debug)]
pub struct FlaxFile {
    name: String,
    file: File,
    set: Option<&'static str>,
    has_target: bool,
    shapes: BTreeMap<String, Vec<usize>>,
    arrays: BTreeMap<String, Pieces>,
}

/// An array whose numbers lie in one piece or several.
#[derive(Debug)]
struct Pieces {
    element: Element,
    places: Vec<Span>,
}

impl FlaxFile {
    /// Whether bytes begin as such a file does: with a map whose first key is a text of plain letters.
    pub(super) fn looks_like(start: &[u8]) -> bool {
        let rest = match start {
            [0x81..=0x8f, rest @ ..] | [0xde, _, _, rest @ ..] => rest,
            _ => return false,
        };
        let (length, text) = match rest {
            [length @ 0xa1..=0xbf, text @ ..] => (usize::from(length & 0x1f), text),
            [0xd9, length, text @ ..] => (usize::from(*length), text),
            _ => return false,
        };
        text.get(..length)
            .is_some_and(|key| key.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    }

    /// Reads the names, shapes and places of a checkpoint's parameters; values are read when they are asked for.
    ///
    /// # Errors
    ///
    /// [`WeightsFileError`] with the file: one that contradicts itself or ends too early, and one without parameters.
    pub fn open(path: &Path) -> Result<Self, WeightsFileError> {
        let failed = |source| WeightsFileError::Read { path: path.to_path_buf(), source };
        let name = path.display().to_string();
        let file = file::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let damaged = |reason| WeightsFileError::Damaged { name: name.clone(), reason };
        let root = Value::read(&mut Input::file(&file, length)).map_err(damaged)?;
        let is_full =
            |key: &&'static str| matches!(root.get(key), Some(Value::Map(entries)) if !entries.is_empty());
        let set = ["params_ema", "params"].into_iter().find(|key| is_full(key));
        let has_target = is_full(&"target_params");
        let tree = set.and_then(|key| root.get(key)).unwrap_or(&root);
        let mut found = Vec::new();
        collect(tree, String::new(), &mut found).map_err(damaged)?;
        if found.is_empty() {
            return Err(damaged("it holds no arrays".to_owned()));
        }
        let (mut shapes, mut arrays) = (BTreeMap::new(), BTreeMap::new());
        for (path, shape, pieces) in found {
            shapes.insert(path.clone(), shape);
            arrays.insert(path, pieces);
        }
        Ok(Self { name, file, set, has_target, shapes, arrays })
    }

    /// Which set of parameters was taken: `params_ema` or `params`; none where the file holds parameters and nothing else.
    pub fn set(&self) -> Option<&'static str> {
        self.set
    }

    /// Whether the state has the parameters of a target network, as that of a consistency model in training does.
    pub fn has_target(&self) -> bool {
        self.has_target
    }
}

impl ArrayFile for FlaxFile {
    fn shapes(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.shapes
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsFileError> {
        let pieces = self.arrays.get(name).ok_or_else(|| absent(&self.name, name))?;
        let values = pieces.read(&self.file).map_err(|reason| WeightsFileError::Damaged {
            name: self.name.clone(),
            reason: format!("array `{name}`: {reason}"),
        })?;
        finite(&self.name, name, values)
    }
}

impl Pieces {
    fn read(&self, file: &File) -> Result<Vec<f32>, String> {
        let n_bytes: u64 = self.places.iter().map(|place| place.length).sum();
        let mut values = Vec::with_capacity(n_bytes as usize / self.element.size());
        for place in &self.places {
            let mut input = Input::file(file, place.end()).section(*place)?;
            while input.left() > 0 {
                let bytes = input.bytes(input.left().min(CHUNK))?;
                self.element.append(&bytes, &mut values);
            }
        }
        Ok(values)
    }
}

type Found = (String, Vec<usize>, Pieces);

/// All arrays in a tree of maps, by their paths; lists have the numbers of their items for keys.
fn collect(value: &Value, path: String, found: &mut Vec<Found>) -> Result<(), String> {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
    match value {
        Value::Array(array) => {
            let pieces = Pieces { element: element(array, &path)?, places: vec![array.place] };
            found.push((path, array.shape.clone(), pieces));
        }
        Value::Map(_) if value.get(CHUNKED).is_some() => {
            let (shape, pieces) = joined(value)
                .map_err(|reason| format!("array `{path}`, which is cut into pieces, {reason}"))?;
            found.push((path, shape, pieces));
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                collect(value, join(key), found)?;
            }
        }
        Value::List(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, join(&index.to_string()), found)?;
            }
        }
        Value::Int(_) | Value::Other => {}
    }
    Ok(())
}

/// The type of an array's numbers, which must be as many as its shape says.
fn element(array: &PlacedArray, path: &str) -> Result<Element, String> {
    let PlacedArray { shape, dtype, place } = array;
    let element = match dtype.as_str() {
        "float64" => Element::F64,
        "float32" => Element::F32,
        "float16" => Element::F16,
        "bfloat16" => Element::Bf16,
        "int64" => Element::I64,
        "int32" => Element::I32,
        "int16" => Element::I16,
        "int8" => Element::I8,
        "uint8" => Element::U8,
        "bool" => Element::Bool,
        _ => return Err(format!("array `{path}` has type `{dtype}`, which no weight has")),
    };
    let n_bytes = shape.iter().try_fold(element.size(), |size, &extent| size.checked_mul(extent));
    match n_bytes {
        Some(n_bytes) if n_bytes as u64 == place.length => Ok(element),
        _ => Err(format!("array `{path}` of shape {shape:?} and type `{dtype}` has {} bytes", place.length)),
    }
}

/// The array that `{CHUNKED: true, "shape": {"0": ...}, "chunks": {"0": ...}}` stands for.
fn joined(value: &Value) -> Result<(Vec<usize>, Pieces), String> {
    let items = |key: &str| match value.get(key) {
        Some(map @ Value::Map(entries)) => {
            let item = |index: usize| map.get(&index.to_string());
            (0..entries.len())
                .map(item)
                .collect::<Option<Vec<_>>>()
                .ok_or(format!("lacks items of its {key}"))
        }
        _ => Err(format!("has no {key}")),
    };
    let extent = |value: &&Value| match value {
        Value::Int(extent) => usize::try_from(*extent).ok(),
        _ => None,
    };
    let shape = items("shape")?.iter().map(extent).collect::<Option<Vec<_>>>().ok_or("has no sound shape")?;
    let mut places = Vec::new();
    let mut elements = Vec::new();
    for (index, chunk) in items("chunks")?.into_iter().enumerate() {
        let Value::Array(chunk) = chunk else { return Err("has pieces that are no arrays".to_owned()) };
        elements.push(element(chunk, &format!("piece {index}"))?);
        places.push(chunk.place);
    }
    let n_bytes = places.iter().map(|place| place.length).sum::<u64>();
    let (Some(&element), true) = (elements.first(), elements.windows(2).all(|pair| pair[0] == pair[1]))
    else {
        return Err("has pieces of several types, or none".to_owned());
    };
    let expected = shape.iter().try_fold(element.size(), |size, &extent| size.checked_mul(extent));
    if expected.map(|expected| expected as u64) != Some(n_bytes) {
        return Err(format!("has the shape {shape:?} and {n_bytes} bytes"));
    }
    Ok((shape, Pieces { element, places }))
}
