//! What a pickle of PyTorch holds: a state dict, or networks of EDM.

use super::network::{Network, module_tensors, networks};
use super::pickle::{MAX_DEPTH, MAX_VISITS, Object, Tensors, Torch, View, text};
use super::problem::Problem;
use crate::pickle::{Id, Machine, Node};

/// What a pickle holds.
#[derive(Debug)]
pub(super) enum Contents {
    /// The tensors of its one state dict.
    StateDict(Tensors),
    /// The networks of EDM in it; at least one.
    Networks(Vec<Network>),
}

impl Contents {
    /// Looks through what a pickle came to.
    pub(super) fn of(machine: &Machine<'_, Torch>, root: Id) -> Result<Self, Problem> {
        let networks = networks(machine, root)?;
        if networks.is_empty() {
            return state_dict(machine, root).map(Self::StateDict);
        }
        Ok(Self::Networks(networks))
    }

    /// All tensors.
    pub(super) fn views(&mut self) -> impl Iterator<Item = &mut View> {
        let (dict, networks) = match self {
            Self::StateDict(tensors) => (Some(tensors), None),
            Self::Networks(networks) => (None, Some(networks)),
        };
        let of_networks = networks.into_iter().flatten().flat_map(|network| &mut network.tensors);
        dict.into_iter().flatten().chain(of_networks).map(|(_, view)| view)
    }
}

/// The one state dict in a value.
fn state_dict(machine: &Machine<'_, Torch>, root: Id) -> Result<Tensors, Problem> {
    let mut visits = 0;
    let direct = |id: Id| matches!(machine.nodes[id], Node::Object(Object::Tensor(_)));
    let Node::Dict(entries) = &machine.nodes[root] else {
        return named(machine, root, &mut visits).and_then(some);
    };
    if entries.iter().any(|&(_, value)| direct(value)) {
        return named(machine, root, &mut visits).and_then(some);
    }
    let mut found: Vec<(String, Tensors)> = Vec::new();
    let mut nameless = None;
    for &(key, value) in entries {
        let key = text(machine, key);
        match named(machine, value, &mut visits) {
            Ok(tensors) if tensors.is_empty() => {}
            Ok(tensors) => found.push((key.unwrap_or_default(), tensors)),
            // The state of an optimizer beside that of a model.
            Err(problem @ Problem::Other(_)) => nameless = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    match (found.len(), nameless) {
        (0, Some(problem)) => Err(problem),
        (0, None) => some(Vec::new()),
        (1, _) => Ok(found.swap_remove(0).1),
        _ => {
            let keys: Vec<_> = found.into_iter().map(|(key, _)| format!("`{key}`")).collect();
            let reason =
                format!("it holds several sets of tensors, {}; save one of them alone", keys.join(", "));
            Err(Problem::Other(reason))
        }
    }
}

fn some(tensors: Tensors) -> Result<Tensors, Problem> {
    if tensors.is_empty() { Err(Problem::Broken("it holds no tensors".into())) } else { Ok(tensors) }
}

/// All tensors in a value with their names, joined by dots.
fn named(machine: &Machine<'_, Torch>, root: Id, visits: &mut usize) -> Result<Tensors, Problem> {
    let mut tensors = Vec::new();
    // A value, its name, whether that is one, and how deep it lies.
    let mut open = vec![(root, String::new(), true, 0)];
    while let Some((id, path, has_name, depth)) = open.pop() {
        *visits += 1;
        if *visits > MAX_VISITS || depth > MAX_DEPTH {
            return Err(Problem::Hostile("it holds more values within values than any model has".into()));
        }
        let join = |key: Option<String>| match key {
            Some(key) if path.is_empty() => (key, has_name),
            Some(key) => (format!("{path}.{key}"), has_name),
            None => (path.clone(), false),
        };
        match &machine.nodes[id] {
            Node::Object(Object::Tensor(view)) if has_name && !path.is_empty() => {
                tensors.push((path, view.clone()));
            }
            Node::Object(Object::Tensor(_)) => {
                let reason = "it holds tensors without names, as the state of an optimizer does; \
                              the state dict of a model is read";
                return Err(Problem::Other(reason.into()));
            }
            Node::Dict(entries) => open.extend(entries.iter().map(|&(key, value)| {
                let (path, has_name) = join(text(machine, key));
                (value, path, has_name, depth + 1)
            })),
            Node::Sequence(items) => {
                open.extend(items.iter().map(|&item| (item, path.clone(), false, depth + 1)));
            }
            Node::Object(Object::Instance(Some(attributes))) => {
                match module_tensors(machine, *attributes, &path, visits)? {
                    Some(module) => tensors.extend(module),
                    None => open.push((*attributes, path, has_name, depth + 1)),
                }
            }
            _ => {}
        }
    }
    Ok(tensors)
}
