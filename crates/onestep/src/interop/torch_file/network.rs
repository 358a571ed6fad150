//! Objects of EDM: networks whose class is not looked at, only their attributes.
//!
//! Such an object is a call with a dictionary of five entries: `type`, `version`, `module_src` (the source of its class, which
//! stays where it lies), `class_name` and `state`. A module's state has its parameters, buffers and the modules within it.

use std::collections::BTreeMap;

use super::pickle::{MAX_DEPTH, MAX_VISITS, Object, Tensors, Torch, View, text};
use super::problem::Problem;
use crate::interop::edm_object::{EdmObject, PlainValue};
use crate::pickle::{Id, Machine, Node};

/// A network that a pickle holds.
#[derive(Debug)]
pub(super) struct Network {
    /// Under which key: `ema`, `net`.
    pub key: String,
    /// The object itself.
    pub object: EdmObject,
    /// What it calls `model`, if that is such an object, too.
    pub inner: Option<EdmObject>,
    /// Its tensors, by the names of its state dict.
    pub tensors: Tensors,
}

/// Values of arguments that are taken at most, in all and one within the other.
const MAX_VALUES: usize = 10_000;
const MAX_VALUE_DEPTH: usize = 16;

/// The networks in the entries of a dictionary, or the one that a pickle is.
pub(super) fn networks(machine: &Machine<'_, Torch>, root: Id) -> Result<Vec<Network>, Problem> {
    let entries = match &machine.nodes[root] {
        Node::Dict(entries) => entries.iter().map(|&(key, value)| (text(machine, key), value)).collect(),
        _ => vec![(Some(String::new()), root)],
    };
    let mut visits = 0;
    let mut networks: Vec<Network> = Vec::new();
    for (key, value) in entries {
        let (Some(key), Node::Object(Object::Persistent(_))) = (key, &machine.nodes[value]) else { continue };
        let Some(tensors) = module_tensors(machine, value, "", &mut visits)? else { continue };
        if tensors.is_empty() {
            continue;
        }
        if networks.iter().any(|network| network.key == key) {
            return Err(Problem::Broken(format!("it has two networks called `{key}`")));
        }
        let inner = state(machine, value).and_then(|state| entry(machine, state, "_modules"));
        let inner = inner.and_then(|modules| entry(machine, modules, "model"));
        networks.push(Network {
            key,
            object: object(machine, value)?.unwrap_or_default(),
            inner: inner.map(|inner| object(machine, inner)).transpose()?.flatten(),
            tensors,
        });
    }
    Ok(networks)
}

/// The tensors of a module, by the names of its state dict; none for what is no module.
///
/// Takes an object or the dictionary of its attributes.
pub(super) fn module_tensors(
    machine: &Machine<'_, Torch>,
    module: Id,
    name: &str,
    visits: &mut usize,
) -> Result<Option<Tensors>, Problem> {
    let mut tensors = Vec::new();
    let mut is_module = false;
    let mut open = vec![(module, name.to_owned(), 0)];
    while let Some((id, path, depth)) = open.pop() {
        *visits += 1;
        if *visits > MAX_VISITS || depth > MAX_DEPTH {
            return Err(Problem::Hostile("it holds more modules within modules than any model has".into()));
        }
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some(state) = state(machine, id) else { continue };
        let hidden = entry(machine, state, "_non_persistent_buffers_set");
        let hidden: Vec<String> = hidden
            .and_then(|set| machine.sequence(set))
            .unwrap_or_default()
            .iter()
            .filter_map(|&name| text(machine, name))
            .collect();
        for (part, is_buffer) in [("_parameters", false), ("_buffers", true)] {
            let Some(Node::Dict(entries)) = entry(machine, state, part).map(|part| &machine.nodes[part])
            else {
                continue;
            };
            is_module = true;
            for &(key, value) in entries {
                *visits += 1;
                if *visits > MAX_VISITS {
                    return Err(Problem::Hostile("it holds more tensors than any model has".into()));
                }
                match (text(machine, key), &machine.nodes[value]) {
                    (Some(key), Node::Object(Object::Tensor(_))) if is_buffer && hidden.contains(&key) => {}
                    (Some(key), Node::Object(Object::Tensor(view))) => {
                        tensors.push((join(&key), view.clone()))
                    }
                    // A layer without a bias has a parameter that is nothing.
                    (Some(_), Node::Nothing) => {}
                    _ => {
                        return Err(Problem::Broken(format!(
                            "the module `{path}` in it has something else than tensors in `{part}`"
                        )));
                    }
                }
            }
        }
        if let Some(Node::Dict(entries)) = entry(machine, state, "_modules").map(|part| &machine.nodes[part])
        {
            is_module = true;
            for &(key, value) in entries.iter().rev() {
                let key = text(machine, key).ok_or_else(|| {
                    Problem::Broken(format!("the module `{path}` in it has a part without a name"))
                })?;
                open.push((value, join(&key), depth + 1));
            }
        }
    }
    check_names(&tensors)?;
    Ok(is_module.then_some(tensors))
}

/// Refuses names that are there twice, which a dictionary with the same key twice makes.
fn check_names(tensors: &[(String, View)]) -> Result<(), Problem> {
    let mut seen = std::collections::BTreeSet::new();
    match tensors.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(Problem::Broken(format!("it has two tensors called `{name}`"))),
        None => Ok(()),
    }
}

/// The attributes of an object.
fn state(machine: &Machine<'_, Torch>, id: Id) -> Option<Id> {
    match machine.nodes[id] {
        Node::Object(Object::Persistent(meta)) => entry(machine, meta, "state"),
        Node::Object(Object::Instance(state)) => state,
        Node::Dict(_) => Some(id),
        _ => None,
    }
}

/// The entry of a dictionary; the later one where there are two, as in Python.
fn entry(machine: &Machine<'_, Torch>, dict: Id, key: &str) -> Option<Id> {
    let Node::Dict(entries) = &machine.nodes[dict] else { return None };
    let is_key = |id: Id| matches!(&machine.nodes[id], Node::Bytes(name) if name == key.as_bytes());
    entries.iter().rev().find(|&&(name, _)| is_key(name)).map(|&(_, value)| value)
}

/// The class and the arguments of an object of EDM; none for anything else.
fn object(machine: &Machine<'_, Torch>, id: Id) -> Result<Option<EdmObject>, Problem> {
    let Node::Object(Object::Persistent(meta)) = machine.nodes[id] else { return Ok(None) };
    let class = entry(machine, meta, "class_name").and_then(|name| text(machine, name));
    let class = class.ok_or_else(|| Problem::Broken("an object in it has no class".into()))?;
    let mut left = MAX_VALUES;
    let mut attribute = |name: &str| {
        let value = state(machine, id).and_then(|state| entry(machine, state, name));
        value.map(|value| plain(machine, value, 0, &mut left)).transpose()
    };
    let positional = match attribute("_init_args")? {
        Some(PlainValue::List(values)) => values,
        _ => Vec::new(),
    };
    let named = match attribute("_init_kwargs")? {
        Some(PlainValue::Map(values)) => values,
        _ => BTreeMap::new(),
    };
    Ok(Some(EdmObject { class, positional, named }))
}

/// A value without the machine.
fn plain(
    machine: &Machine<'_, Torch>,
    id: Id,
    depth: usize,
    left: &mut usize,
) -> Result<PlainValue, Problem> {
    let many = || Problem::Hostile("it constructs a network with more values than any takes".into());
    *left = left.checked_sub(1).filter(|_| depth <= MAX_VALUE_DEPTH).ok_or_else(many)?;
    Ok(match &machine.nodes[id] {
        Node::Nothing => PlainValue::Nothing,
        Node::Bool(value) => PlainValue::Bool(*value),
        Node::Int(value) => PlainValue::Int(*value),
        Node::Float(value) => PlainValue::Float(*value),
        Node::Bytes(_) => text(machine, id).map_or(PlainValue::Opaque, PlainValue::Text),
        Node::Sequence(items) => PlainValue::List(
            items.iter().map(|&item| plain(machine, item, depth + 1, left)).collect::<Result<_, _>>()?,
        ),
        Node::Dict(entries) => {
            let mut values = BTreeMap::new();
            for &(key, value) in entries {
                if let Some(key) = text(machine, key) {
                    values.insert(key, plain(machine, value, depth + 1, left)?);
                }
            }
            PlainValue::Map(values)
        }
        Node::Other | Node::Span(_) | Node::Name(_) | Node::Object(_) => PlainValue::Opaque,
    })
}
