//! The header of a tensor file: what is in it, and what is refused before a value is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::{Element, TensorFileError};

/// The one metadata key of this tool's files.
pub(super) const METADATA_KEY: &str = "onestep";
/// The format's own key for metadata.
pub(super) const METADATA: &str = "__metadata__";
/// The format allows 100,000,000; the largest real model needs a thousandth.
pub(super) const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The largest real model has about two thousand.
const MAX_TENSORS: usize = 65_536;

/// What a file may hold, beyond what is refused in all of them: two tensors of one name, holes, overlaps, values that are
/// not finite, claims that are larger than the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether its metadata must be the one string that this tool writes; else there may be any, which is not kept.
    pub signed: bool,
    /// The types of numbers that are read.
    pub elements: &'static [Element],
}

impl Rules {
    /// For models and states that this tool wrote; numbers of 16 bits are those of compact models.
    pub(crate) const OURS: Self = Self { signed: true, elements: &[Element::F32, Element::F16] };
    /// For weights that others wrote.
    pub(crate) const FOREIGN: Self = Self { signed: false, elements: &Element::ALL };
}

/// One tensor of a file, checked.
#[derive(Debug)]
pub(super) struct Tensor {
    pub name: String,
    pub element: Element,
    pub shape: Vec<u64>,
    pub n_bytes: u64,
    /// Where its values begin, counted from the end of the header.
    pub position: u64,
}

/// A header that has been checked.
pub(super) struct Header {
    /// The one metadata string; empty where the rules ask for none.
    pub metadata: String,
    /// Whether there is metadata of ours, whatever else there is.
    pub signed: bool,
    /// In the order of the file.
    pub tensors: Vec<Tensor>,
    /// Bytes of all values.
    pub n_bytes: u64,
}

impl Header {
    /// Parses and checks the text of a header.
    pub(super) fn parse(text: &[u8], rules: Rules) -> Result<Self, TensorFileError> {
        let raw: RawHeader =
            serde_json::from_slice(text).map_err(|reason| TensorFileError::BadHeader { reason })?;
        let signed = raw.metadata.iter().any(|(key, _)| key == METADATA_KEY);
        let metadata = match <[_; 1]>::try_from(raw.metadata) {
            Ok([(key, value)]) if rules.signed && key == METADATA_KEY => value,
            _ if rules.signed => return Err(TensorFileError::NotOurs),
            _ => String::new(),
        };
        let mut entries: Vec<(String, Entry)> = raw.tensors.into_iter().collect();
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut n_bytes = 0;
        let tensors = entries.into_iter().map(|(name, entry)| {
            let tensor = entry.checked(name, n_bytes, rules)?;
            n_bytes += tensor.n_bytes;
            Ok(tensor)
        });
        let tensors = tensors.collect::<Result<_, TensorFileError>>()?;
        Ok(Self { metadata, signed, tensors, n_bytes })
    }
}

/// What the header says about one tensor.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl Entry {
    /// Checks the type, and that the tensor begins where the one before it ends.
    fn checked(self, name: String, position: u64, rules: Rules) -> Result<Tensor, TensorFileError> {
        let Self { dtype, shape, data_offsets: [start, end] } = self;
        let Some(&element) = rules.elements.iter().find(|element| element.name() == dtype) else {
            let readable = rules.elements.iter().map(|element| element.name()).collect();
            return Err(TensorFileError::WrongType { name, found: dtype, readable });
        };
        let n_bytes = shape.iter().try_fold(element.size() as u64, |size, &n| size.checked_mul(n));
        match n_bytes {
            Some(n_bytes) if start == position && end.checked_sub(start) == Some(n_bytes) => {
                Ok(Tensor { name, element, shape, n_bytes, position })
            }
            _ => Err(TensorFileError::WrongPlace { name, shape, start, end }),
        }
    }
}

/// A header as it stands in the file.
struct RawHeader {
    metadata: Vec<(String, String)>,
    tensors: BTreeMap<String, Entry>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Collects a header by hand, because a map type would silently keep the last of two equal names.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a safetensors header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
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
        Ok(RawHeader { metadata: metadata.unwrap_or_default(), tensors })
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
