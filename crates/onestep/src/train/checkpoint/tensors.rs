//! Tensor files: safetensors with one metadata string, read strictly and written byte for byte the same.
//!
//! A file is the length of a JSON header (8 bytes, little endian), the header, and the values. The rules here are
//! narrower than the format's: f32 only, exactly one metadata key, no duplicate names, finite values, and every error
//! names the tensor. The header is read before any value is, and no length in it is believed before it has been
//! compared with the length of the file.

use std::fmt;
use std::io::{self, Read, Write};

use burn::tensor::Tensor;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use crate::train::NamedArrays;

/// The one metadata key.
const METADATA_KEY: &str = "onestep";
/// The format's own key for metadata.
const METADATA: &str = "__metadata__";
/// The format allows 100,000,000; the largest real model needs a thousandth.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The largest real model has about two thousand.
const MAX_TENSORS: usize = 65_536;
/// Values converted at a time.
const CHUNK: usize = 16_384;

/// A tensor file that breaks the rules of its format or of this tool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// The file ends before its header or its values do.
    #[error("the file is cut short: {found} bytes of {expected}")]
    Truncated {
        /// Bytes the file should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The file goes on after its last tensor.
    #[error("the file has {extra} bytes after its last tensor")]
    Trailing {
        /// Bytes too many.
        extra: u64,
    },
    /// The header claims to be larger than any real one.
    #[error(
        "the header claims {bytes} bytes, {MAX_HEADER_BYTES} is the most a real one has; not a safetensors file?"
    )]
    HeaderTooLarge {
        /// Bytes claimed.
        bytes: u64,
    },
    /// The header is not the JSON it should be; also a duplicate name, or too many tensors.
    #[error("the header is not valid: {source}")]
    BadHeader {
        /// What the parser says, with the name of the tensor where there is one.
        source: serde_json::Error,
    },
    /// The metadata is not the one string this tool writes.
    #[error(
        "the file was not written by onestep (no single `onestep` entry in its metadata); `onestep import` converts others"
    )]
    NotOurs,
    /// A tensor of another type.
    #[error("tensor `{name}` has type {found}; only F32 is read")]
    WrongType {
        /// Name of the tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A tensor whose place in the file overlaps another, leaves a hole, or does not have the size of its shape.
    #[error("tensor `{name}` of shape {shape:?} cannot lie at bytes {start} to {end}")]
    WrongPlace {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
    },
    /// A value that is NaN or infinite.
    #[error("tensor `{name}` holds a value that is not finite at index {index}")]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// Flat index of the first such value.
        index: usize,
    },
    /// The system could not read the file.
    #[error("cannot read the file ({0})")]
    Io(#[from] io::Error),
}

/// What the header says about one tensor.
#[derive(Debug, Clone, Serialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// A tensor to be written.
pub(super) struct NamedTensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: &'a Tensor<1>,
}

/// Why a tensor file was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    Io(io::Error),
    NotFinite { name: String, index: usize },
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes a whole file: the same tensors and metadata give the same bytes, whatever order they come in.
///
/// Values leave the device one tensor at a time, so a save needs the memory of the largest tensor, not of the model.
pub(super) fn write_tensors(
    output: &mut dyn Write,
    metadata: &str,
    mut tensors: Vec<NamedTensor<'_>>,
) -> Result<(), WriteError> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut header = format!("{{\"{METADATA}\":{{\"{METADATA_KEY}\":{}}}", json(metadata));
    let mut start = 0;
    for tensor in &tensors {
        let end = start + 4 * tensor.shape.iter().map(|&n| n as u64).product::<u64>();
        let shape = tensor.shape.iter().map(|&n| n as u64).collect();
        let entry = Entry { dtype: "F32".into(), shape, data_offsets: [start, end] };
        header.push_str(&format!(",{}:{}", json(&tensor.name), json(&entry)));
        start = end;
    }
    header.push('}');
    // Values start at a multiple of 8, as the reference implementation has it.
    let padded = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', padded - header.len()));
    output.write_all(&(header.len() as u64).to_le_bytes())?;
    output.write_all(header.as_bytes())?;
    for NamedTensor { name, values, .. } in tensors {
        let data = values.clone().inner().into_data().convert::<f32>();
        let values = data.as_slice::<f32>().expect("just converted");
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(WriteError::NotFinite { name, index });
        }
        let mut bytes = Vec::with_capacity(4 * CHUNK.min(values.len()));
        for chunk in values.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            output.write_all(&bytes)?;
        }
    }
    Ok(())
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("strings and numbers are always JSON")
}

/// A tensor file whose header has been read and checked.
#[derive(Debug)]
pub(super) struct TensorFile<R> {
    input: R,
    metadata: String,
    /// In the order of the file.
    entries: Vec<(String, Entry)>,
}

impl<R: Read> TensorFile<R> {
    /// Reads and checks the header of a file of `length` bytes.
    pub(super) fn open(mut input: R, length: u64) -> Result<Self, TensorFileError> {
        let truncated = |expected| TensorFileError::Truncated { expected, found: length };
        if length < 8 {
            return Err(truncated(8));
        }
        let mut n_header = [0; 8];
        input.read_exact(&mut n_header)?;
        let n_header = u64::from_le_bytes(n_header);
        if n_header > MAX_HEADER_BYTES {
            return Err(TensorFileError::HeaderTooLarge { bytes: n_header });
        }
        if n_header > length - 8 {
            return Err(truncated(8 + n_header));
        }
        let mut header = vec![0; n_header as usize];
        input.read_exact(&mut header)?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|source| TensorFileError::BadHeader { source })?;
        let metadata = match <[_; 1]>::try_from(header.metadata) {
            Ok([(key, value)]) if key == METADATA_KEY => value,
            _ => return Err(TensorFileError::NotOurs),
        };
        let mut entries = header.tensors;
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let n_values = check_entries(&entries)?;
        let available = length - 8 - n_header;
        match available.cmp(&n_values) {
            std::cmp::Ordering::Less => Err(truncated(8 + n_header + n_values)),
            std::cmp::Ordering::Greater => Err(TensorFileError::Trailing { extra: available - n_values }),
            std::cmp::Ordering::Equal => Ok(Self { input, metadata, entries }),
        }
    }

    /// The metadata string.
    pub(super) fn metadata(&self) -> &str {
        &self.metadata
    }

    /// Names and shapes, in the order of the file.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[u64])> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// Reads all values, and gives back the input at its end.
    pub(super) fn read(mut self) -> Result<(NamedArrays, R), TensorFileError> {
        let mut arrays = NamedArrays::new();
        let mut bytes = vec![0; 4 * CHUNK];
        for (name, entry) in self.entries {
            let n_values = ((entry.data_offsets[1] - entry.data_offsets[0]) / 4) as usize;
            let mut values: Vec<f32> = Vec::with_capacity(n_values);
            while values.len() < n_values {
                let bytes = &mut bytes[..4 * CHUNK.min(n_values - values.len())];
                self.input.read_exact(bytes)?;
                values.extend(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)));
            }
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                return Err(TensorFileError::NotFinite { name, index });
            }
            let shape = entry.shape.iter().map(|&n| n as usize).collect();
            arrays.insert(name, (shape, values));
        }
        Ok((arrays, self.input))
    }
}

/// Checks that the tensors are f32 and lie one after the other without holes; returns their bytes.
fn check_entries(entries: &[(String, Entry)]) -> Result<u64, TensorFileError> {
    let mut position = 0;
    for (name, entry) in entries {
        if entry.dtype != "F32" {
            return Err(TensorFileError::WrongType { name: name.clone(), found: entry.dtype.clone() });
        }
        let [start, end] = entry.data_offsets;
        let size = entry.shape.iter().try_fold(4u64, |size, &n| size.checked_mul(n));
        if start != position || end < start || size != Some(end - start) {
            return Err(TensorFileError::WrongPlace {
                name: name.clone(),
                shape: entry.shape.clone(),
                start,
                end,
            });
        }
        position = end;
    }
    Ok(position)
}

/// A header as it stands in the file.
struct Header {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, Entry)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Collects a header by hand, because a map type would silently keep the last of two equal names.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a safetensors header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut metadata: Option<Vec<(String, String)>> = None;
        let mut tensors = std::collections::BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                let Pairs(pairs) = map.next_value()?;
                if metadata.replace(pairs).is_some() {
                    return Err(A::Error::custom("metadata twice"));
                }
            } else if tensors.contains_key(&name) {
                return Err(A::Error::custom(format_args!("tensor `{name}` twice")));
            } else if tensors.len() == MAX_TENSORS {
                return Err(A::Error::custom(format_args!("more than {MAX_TENSORS} tensors")));
            } else {
                let entry: Entry = map
                    .next_value()
                    .map_err(|error| A::Error::custom(format_args!("tensor `{name}`: {error}")))?;
                tensors.insert(name, entry);
            }
        }
        Ok(Header { metadata: metadata.unwrap_or_default(), tensors: tensors.into_iter().collect() })
    }
}

/// The metadata object, duplicates and all.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
