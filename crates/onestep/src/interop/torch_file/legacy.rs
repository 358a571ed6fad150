//! Files of `torch.save` from before 2020: pickles one after the other, then the memory of the tensors.
//!
//! In this form a tensor also lies within a pickle of Python: each piece of memory is a file of its own there.

use std::collections::HashMap;

use super::contents::Contents;
use super::pickle::{Object, Storage, Torch};
use super::problem::Problem;
use super::views::n_bytes;
use super::{BIG_ENDIAN, broken};
use crate::file::Input;
use crate::pickle::{Dialect, Id, Limits, Machine, Node, NodeOf};

/// What an old file begins with: a pickle of the number 0x1950a86a20f9469cfc6c.
pub(in crate::interop) const LEGACY_MAGIC: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Reads what an old file says of its tensors, and finds where their memory lies.
pub(super) fn contents(file: Input<'_>) -> Result<Contents, Problem> {
    let mut limits = Limits::FILE;
    let (machine, root) = described(file, &mut limits)?;
    let mut contents = Contents::of(&machine, root)?;
    let storages: Vec<Storage> = machine.nodes.iter().filter_map(storage).cloned().collect();
    let places = places(machine.into_rest(), &storages, &mut limits)?;
    for view in contents.views() {
        let key = &view.storage.key;
        if view.storage.at.is_none() {
            let place = places.get(key);
            view.storage.at = Some(*place.ok_or_else(|| broken(format!("memory `{key}` is missing in it")))?);
        }
    }
    Ok(contents)
}

/// Reads an old file that holds one piece of memory and nothing else.
pub(super) fn single_storage(file: Input<'_>, limits: &mut Limits) -> Result<Storage, Problem> {
    let (machine, root) = described(file, limits)?;
    let storage = storage(&machine.nodes[root]).cloned();
    let mut storage = storage.ok_or_else(|| broken("it holds something else than memory"))?;
    let places = places(machine.into_rest(), std::slice::from_ref(&storage), limits)?;
    let Some(&at) = places.get(&storage.key) else { return Err(broken("its memory is missing in it")) };
    // Keys count the pieces of one file; across files, places tell them apart.
    storage.key = format!("@{at}");
    storage.at = Some(at);
    Ok(storage)
}

fn storage(node: &NodeOf<Torch>) -> Option<&Storage> {
    match node {
        Node::Object(Object::Storage(storage)) => Some(storage),
        _ => None,
    }
}

/// Magic, version, machine and the tensors; the order of their memory and the memory itself are left.
fn described<'a>(mut file: Input<'a>, limits: &mut Limits) -> Result<(Machine<'a, Torch>, Id), Problem> {
    if file.bytes(LEGACY_MAGIC.len() as u64).map_err(Problem::Broken)? != LEGACY_MAGIC {
        return Err(broken("it does not begin as such files do"));
    }
    let (_version, file) = plain(file, limits)?;
    let (machine, file) = plain(file, limits)?;
    if machine.big_endian {
        return Err(Problem::Other(BIG_ENDIAN.into()));
    }
    let mut machine = Machine::<Torch>::new(file, *limits);
    let root = machine.run().map_err(Problem::of_pickle)?;
    *limits = machine.limits;
    Ok((machine, root))
}

/// Where each piece of memory begins, from the list of their order on.
fn places(
    file: Input<'_>,
    storages: &[Storage],
    limits: &mut Limits,
) -> Result<HashMap<String, u64>, Problem> {
    let sizes: HashMap<&str, &Storage> =
        storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();
    let (order, mut file) = plain(file, limits)?;
    let mut places = HashMap::new();
    for key in order.texts {
        let ends = |_| broken(format!("it ends before the memory `{key}`"));
        let length = file.little_endian(8).map_err(ends)?;
        let storage =
            sizes.get(key.as_str()).ok_or_else(|| broken(format!("no tensor lies in memory `{key}`")))?;
        if length != storage.length as u64 {
            return Err(broken(format!("memory `{key}` has {length} numbers, not {}", storage.length)));
        }
        let place = file.skip(n_bytes(storage)? as u64).map_err(ends)?;
        places.insert(key, place.start);
    }
    Ok(places)
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

    const LONGEST_BYTES: usize = 1024;
    const LONGEST_TEXT: usize = 1024;

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

fn plain<'a>(pickle: Input<'a>, limits: &mut Limits) -> Result<(Plain, Input<'a>), Problem> {
    let mut machine = Machine::<Values>::new(pickle, *limits);
    let root = machine.run().map_err(Problem::of_pickle)?;
    *limits = machine.limits;
    let text = |id: Id| match &machine.nodes[id] {
        Node::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let texts = machine.sequence(root).unwrap_or_default().iter().filter_map(|&id| text(id)).collect();
    let big_endian = matches!(&machine.nodes[root], Node::Dict(entries) if entries.iter().any(|&(key, value)| {
        text(key).as_deref() == Some("little_endian") && matches!(machine.nodes[value], Node::Bool(false))
    }));
    Ok((Plain { texts, big_endian }, machine.into_rest()))
}
