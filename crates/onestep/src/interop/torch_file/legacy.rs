//! Files of `torch.save` from before 2020: pickles one after the other, then the memory of the tensors.

use std::collections::HashMap;

use super::pickle::{Described, Problem, Storage, described};
use super::views::{arrays, n_bytes};
use super::{BIG_ENDIAN, broken};
use crate::arrays::NamedArrays;
use crate::interop::WeightsFileError;
use crate::pickle::{Dialect, Id, Machine, Node, NodeOf};

/// What an old file begins with: a pickle of the number 0x1950a86a20f9469cfc6c.
pub(in crate::interop) const LEGACY_MAGIC: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Reads the bytes of a file from before 2020, which errors call `name`.
pub(in crate::interop) fn read_legacy(file: &[u8], name: &str) -> Result<NamedArrays, WeightsFileError> {
    parse(file).map_err(|problem| problem.of(name))
}

/// Magic, version, machine, the tensors, the order of their memory, and the memory.
fn parse(file: &[u8]) -> Result<NamedArrays, Problem> {
    let rest = file.strip_prefix(LEGACY_MAGIC).ok_or_else(|| broken("it does not begin as such files do"))?;
    let (_version, rest) = plain(rest)?;
    let (machine, rest) = plain(rest)?;
    if machine.big_endian {
        return Err(Problem::Other(BIG_ENDIAN.into()));
    }
    let Described { views, storages, rest } = described(rest)?;
    let (order, mut rest) = plain(rest)?;
    let sizes: HashMap<&str, &Storage> =
        storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();
    let mut memory: HashMap<&str, &[u8]> = HashMap::new();
    for key in &order.texts {
        let ends = || broken(format!("it ends before the memory `{key}`"));
        let (length, after) = rest.split_first_chunk::<8>().ok_or_else(ends)?;
        let storage =
            sizes.get(key.as_str()).ok_or_else(|| broken(format!("no tensor lies in memory `{key}`")))?;
        if u64::from_le_bytes(*length) != storage.length as u64 {
            let length = u64::from_le_bytes(*length);
            return Err(broken(format!("memory `{key}` has {length} numbers, not {}", storage.length)));
        }
        let (bytes, after) = after.split_at_checked(n_bytes(storage)?).ok_or_else(ends)?;
        memory.insert(key, bytes);
        rest = after;
    }
    arrays(views, |storage| {
        let bytes = memory.get(storage.key.as_str());
        bytes
            .map(|bytes| bytes.to_vec())
            .ok_or_else(|| broken(format!("memory `{}` is missing in it", storage.key)))
    })
}

/// What the small pickles of an old file say.
struct Plain {
    /// The texts of a list.
    texts: Vec<String>,
    /// Whether a dictionary says so.
    big_endian: bool,
}

/// The dialect of plain values: no names at all.
#[derive(Debug)]
struct Values;

impl Dialect for Values {
    type Name = ();
    type Object = ();

    fn find(_: &str, _: &str) -> Option<()> {
        None
    }

    fn call(_: &mut Machine<'_, Self>, (): (), _: &[Id]) -> Result<NodeOf<Self>, String> {
        Err("it calls a function".to_owned())
    }

    fn set_state(_: &mut Machine<'_, Self>, _: Id, _: Id) -> Result<(), String> {
        Err("it gives a state to something that has none".to_owned())
    }
}

fn plain(pickle: &[u8]) -> Result<(Plain, &[u8]), Problem> {
    let mut machine = Machine::<Values>::new(pickle);
    let root = machine.run().map_err(Problem::Hostile)?;
    let text = |id: Id| match &machine.nodes[id] {
        Node::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let texts = machine.sequence(root).unwrap_or_default().iter().filter_map(|&id| text(id)).collect();
    let big_endian = matches!(&machine.nodes[root], Node::Dict(entries) if entries.iter().any(|&(key, value)| {
        text(key).as_deref() == Some("little_endian") && matches!(machine.nodes[value], Node::Bool(false))
    }));
    Ok((Plain { texts, big_endian }, machine.rest()))
}
