//! MessagePack as flax writes it: nested maps whose leaves are arrays.
//!
//! No crate is used: a reader that hands out bytes takes every array into memory, and those that do not still leave counts,
//! nesting and the three extension types of flax to whoever calls them. What is left is this file. Arrays are remembered by
//! their places, and nothing is allocated for a count before its items have been read.

use crate::file::{Input, Span};

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    /// Entries in the order of the file; no key is there twice.
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
    Int(i64),
    Array(PlacedArray),
    /// Text, floats, nothing, booleans and what else counts nothing.
    Other,
}

/// An array of numbers, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedArray {
    pub shape: Vec<usize>,
    /// Name of its type, as numpy has it.
    pub dtype: String,
    pub place: Span,
}

/// Maps within maps: a checkpoint of flax has a dozen.
const MAX_DEPTH: usize = 64;
/// More values than any checkpoint has; with them, memory is bounded too.
const MAX_VALUES: usize = 2 << 20;
/// Longest key of a map, name of a type, and most axes of an array.
const MAX_KEY: u64 = 1024;
const MAX_DTYPE: u64 = 32;
const MAX_AXES: usize = 32;

impl Value {
    /// The entry of this name; none where there is none, or where this is no map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Reads the one value that a file is.
    ///
    /// The error is a sentence about the file.
    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, String> {
        let mut left = MAX_VALUES;
        let value = value(input, 0, &mut left)?;
        match input.left() {
            0 => Ok(value),
            n => Err(format!("it has {n} bytes after its end")),
        }
    }
}

/// What the first byte of a value says.
enum Kind {
    Map(u64),
    List(u64),
    Int(i64),
    /// An extension of this type and length.
    Extension(i8, u64),
    Text(u64),
    Bytes(u64),
    /// Nothing, a boolean or a float: so many bytes.
    Other(u64),
}

fn kind(input: &mut Input<'_>) -> Result<Kind, String> {
    let first = input.byte()?;
    let signed = |wide: u64, n_bytes: u32| (wide << (64 - 8 * n_bytes)) as i64 >> (64 - 8 * n_bytes);
    let mut number = |n_bytes| input.big_endian(n_bytes);
    Ok(match first {
        0x00..=0x7f => Kind::Int(i64::from(first)),
        0xe0..=0xff => Kind::Int(i64::from(first as i8)),
        0x80..=0x8f => Kind::Map(u64::from(first & 0x0f)),
        0x90..=0x9f => Kind::List(u64::from(first & 0x0f)),
        0xa0..=0xbf => Kind::Text(u64::from(first & 0x1f)),
        0xc0 | 0xc2 | 0xc3 => Kind::Other(0),
        0xc4 => Kind::Bytes(number(1)?),
        0xc5 => Kind::Bytes(number(2)?),
        0xc6 => Kind::Bytes(number(4)?),
        0xca => Kind::Other(4),
        0xcb => Kind::Other(8),
        0xcc => Kind::Int(number(1)? as i64),
        0xcd => Kind::Int(number(2)? as i64),
        0xce => Kind::Int(number(4)? as i64),
        // A number above 2^63 counts nothing.
        0xcf => i64::try_from(number(8)?).map_or(Kind::Other(0), Kind::Int),
        0xd0 => Kind::Int(signed(number(1)?, 1)),
        0xd1 => Kind::Int(signed(number(2)?, 2)),
        0xd2 => Kind::Int(signed(number(4)?, 4)),
        0xd3 => Kind::Int(number(8)? as i64),
        0xd4..=0xd8 => Kind::Extension(number(1)? as i8, 1 << (first - 0xd4)),
        0xc7..=0xc9 => {
            let length = number(1 << (first - 0xc7))?;
            Kind::Extension(number(1)? as i8, length)
        }
        0xd9 => Kind::Text(number(1)?),
        0xda => Kind::Text(number(2)?),
        0xdb => Kind::Text(number(4)?),
        0xdc => Kind::List(number(2)?),
        0xdd => Kind::List(number(4)?),
        0xde => Kind::Map(number(2)?),
        0xdf => Kind::Map(number(4)?),
        0xc1 => return Err("it holds the byte 0xc1, which MessagePack does not have".to_owned()),
    })
}

fn value(input: &mut Input<'_>, depth: usize, left: &mut usize) -> Result<Value, String> {
    *left = left.checked_sub(1).ok_or_else(|| format!("it holds over {MAX_VALUES} values"))?;
    if depth > MAX_DEPTH {
        return Err(format!("it holds values within values, over {MAX_DEPTH} deep"));
    }
    Ok(match kind(input)? {
        Kind::Map(n_entries) => {
            let mut entries: Vec<(String, Value)> = Vec::new();
            let mut names = std::collections::HashSet::new();
            for _ in 0..n_entries {
                let key = key(input)?;
                if !names.insert(key.clone()) {
                    return Err(format!("a map in it has the key `{key}` twice"));
                }
                entries.push((key, value(input, depth + 1, left)?));
            }
            Value::Map(entries)
        }
        Kind::List(n_items) => {
            let mut items = Vec::new();
            for _ in 0..n_items {
                items.push(value(input, depth + 1, left)?);
            }
            Value::List(items)
        }
        Kind::Int(number) => Value::Int(number),
        Kind::Text(length) | Kind::Bytes(length) | Kind::Other(length) => {
            input.skip(length)?;
            Value::Other
        }
        Kind::Extension(kind, length) => {
            let payload = input.skip(length)?;
            extension(kind, &mut input.section(payload)?)?
        }
    })
}

/// Keys are text; the numbers that count the items of a list are text as well.
fn key(input: &mut Input<'_>) -> Result<String, String> {
    match kind(input)? {
        Kind::Text(length) if length <= MAX_KEY => {
            String::from_utf8(input.bytes(length)?).map_err(|_| "a key in it is no text".to_owned())
        }
        Kind::Text(_) => Err(format!("it has a key of over {MAX_KEY} bytes")),
        _ => Err("it has a key that is no text".to_owned()),
    }
}

/// What flax packs into extensions: arrays, complex numbers, and single numbers of a numpy type.
fn extension(kind: i8, payload: &mut Input<'_>) -> Result<Value, String> {
    const BAD: &str = "it holds an array that is not (shape, type, numbers)";
    match kind {
        1 | 3 => {
            let array = array(payload).map_err(|reason| format!("{BAD}: {reason}"))?;
            if payload.left() > 0 {
                return Err(format!("{BAD}: more follows"));
            }
            // A single number counts nothing that is needed here.
            Ok(if kind == 1 { Value::Array(array) } else { Value::Other })
        }
        2 => Ok(Value::Other),
        _ => Err(format!("it holds an extension of type {kind}, which flax does not have")),
    }
}

fn array(payload: &mut Input<'_>) -> Result<PlacedArray, String> {
    let Kind::List(3) = self::kind(payload)? else { return Err("no list of three".to_owned()) };
    let Kind::List(n_axes) = self::kind(payload)? else { return Err("no shape".to_owned()) };
    if n_axes > MAX_AXES as u64 {
        return Err(format!("{n_axes} axes"));
    }
    let mut shape = Vec::new();
    for _ in 0..n_axes {
        match self::kind(payload)? {
            Kind::Int(extent) if extent >= 0 => shape.push(extent as usize),
            _ => return Err("an axis of no length".to_owned()),
        }
    }
    let dtype = match self::kind(payload)? {
        Kind::Text(length) if length <= MAX_DTYPE => payload.bytes(length)?,
        _ => return Err("no name of a type".to_owned()),
    };
    let dtype = String::from_utf8(dtype).map_err(|_| "no name of a type".to_owned())?;
    let Kind::Bytes(length) = self::kind(payload)? else { return Err("no numbers".to_owned()) };
    Ok(PlacedArray { shape, dtype, place: payload.skip(length)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, String> {
        Value::read(&mut Input::memory(bytes))
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let Value::List(items) = read(b"\xdc\x00\x0a\x07\xff\xd1\xff\xfe\xcd\x01\x00\xc0\xc3\xca\0\0\0\0\xa2ab\xc4\x01x\x81\xa1k\xd3\xff\xff\xff\xff\xff\xff\xff\xfe").unwrap()
        else {
            panic!("no list")
        };
        let int = |value: &Value| if let Value::Int(number) = value { Some(*number) } else { None };
        let numbers: Vec<_> = items.iter().map(int).collect();
        assert_eq!(numbers, [Some(7), Some(-1), Some(-2), Some(256), None, None, None, None, None, None]);
        assert_eq!(items[9].get("k").and_then(int), Some(-2));
        let Value::Array(array) = read(b"\xc7\x0d\x01\x93\x92\x01\x02\xa4int8\xc4\x02\x05\x06").unwrap()
        else {
            panic!("no array")
        };
        assert_eq!(
            (array.shape, array.dtype.as_str(), array.place),
            (vec![1, 2], "int8", Span { start: 14, length: 2 })
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let deep = [vec![0x91; 100_000], vec![0xc0]].concat();
        let deep_maps = [b"\x81\xa0".repeat(100_000), vec![0xc0]].concat();
        let many = [vec![0xdd, 0xff, 0xff, 0xff, 0xff], vec![0xc0; 3 << 20]].concat();
        for (bytes, words) in [
            (&b""[..], "too early"),
            (b"\xdd\xff\xff\xff\xff\xc0", "too early"),
            (b"\xdf\xff\xff\xff\xff\xa0\xc0", "too early"),
            (b"\xc6\xff\xff\xff\xffx", "too early"),
            (b"\xdb\xff\xff\xff\xffx", "too early"),
            (b"\xc9\xff\xff\xff\xff\x01x", "too early"),
            (b"\xc0\xc0", "after its end"),
            (b"\x82\xa1a\x01\xa1a\x02", "`a` twice"),
            (b"\x81\x01\x02", "no text"),
            (b"\x81\xa1\xff\x02", "no text"),
            (b"\xc1", "0xc1"),
            (b"\xd4\x09x", "type 9"),
            (b"\xc7\x03\x01\x93\x91\x01", "too early"),
            (b"\xc7\x0e\x01\x93\x92\x01\x02\xa4int8\xc4\x02\x05\x06\xc0", "more follows"),
            (b"\xc7\x0d\x01\x93\x92\x01\xff\xa4int8\xc4\x02\x05\x06", "an axis"),
            (&deep, "deep"),
            (&deep_maps, "deep"),
            (&many, "values"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(words), "{error} does not say {words}");
        }
    }
}
