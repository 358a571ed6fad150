//! Reading tensor files.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::{CHUNK, Entry, MAX_HEADER_BYTES, MAX_TENSORS, METADATA, METADATA_KEY, TensorFileError};
use crate::arrays::NamedArrays;

/// A tensor file whose header has been read and checked.
#[derive(Debug)]
pub struct TensorFile<R> {
    input: R,
    metadata: String,
    /// In the order of the file.
    entries: Vec<(String, Entry)>,
}

impl<R: Read> TensorFile<R> {
    /// Reads and checks the header of a file of `length` bytes.
    pub fn open(mut input: R, length: u64) -> Result<Self, TensorFileError> {
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
            serde_json::from_slice(&header).map_err(|reason| TensorFileError::BadHeader { reason })?;
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
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// Names and shapes, in the order of the file.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[u64])> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// Reads all values, and gives back the input at its end.
    pub fn read(mut self) -> Result<(NamedArrays, R), TensorFileError> {
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
        let mut tensors = BTreeMap::new();
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
