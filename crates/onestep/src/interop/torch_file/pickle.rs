//! The dialect of pickles in which PyTorch describes tensors.
//!
//! A tensor is a call of one function, with a reference to a piece of memory that lies elsewhere in the file. The classes
//! of TorchScript's modules are taken for what they are here: attributes by name.

use crate::arrays::Element;
use crate::pickle::{Dialect, Id, Machine, Node, NodeOf};

/// State dicts in real files are two or three levels deep.
const MAX_DEPTH: usize = 64;
/// Values that are looked at, for dictionaries that hold each other many times.
const MAX_VISITS: usize = 1 << 20;

/// A piece of memory of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub key: String,
    pub element: Element,
    /// How many numbers.
    pub length: usize,
}

/// A tensor: how it lies in a piece of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The dialect.
#[derive(Debug)]
pub(super) struct Torch;

#[derive(Debug, Clone, Copy)]
pub(super) enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
    /// A class of TorchScript.
    Class,
    /// TorchScript's lists of one type.
    List,
    /// TorchScript's dictionaries of one type.
    Tagged,
    /// The extents of a tensor.
    Size,
}

#[derive(Debug)]
pub(super) enum Object {
    Storage(Storage),
    Tensor(View),
    /// An object of a class, with its attributes.
    Instance(Option<Id>),
}

impl Dialect for Torch {
    type Name = Name;
    type Object = Object;

    fn find(module: &str, name: &str) -> Option<Name> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Name::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Name::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Name::RebuildParameter),
            ("torch", "Size") => Some(Name::Size),
            ("torch", class) => element(class).map(Name::Storage),
            ("torch.jit._pickle", "restore_type_tag") => Some(Name::Tagged),
            ("torch.jit._pickle", name) if name.starts_with("build_") && name.ends_with("list") => {
                Some(Name::List)
            }
            (module, _) if module.split('.').next() == Some("__torch__") => Some(Name::Class),
            _ => None,
        }
    }

    fn call(
        machine: &mut Machine<'_, Self>,
        callable: Name,
        arguments: &[Id],
    ) -> Result<NodeOf<Self>, String> {
        match (callable, arguments) {
            (Name::OrderedDict, []) => Ok(Node::Dict(Vec::new())),
            (Name::OrderedDict, [pairs]) => Ok(Node::Dict(pairs_of(machine, *pairs)?)),
            (Name::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let view = view(machine, *storage, [*offset, *shape, *strides]);
                Ok(Node::Object(Object::Tensor(view.ok_or("it describes a tensor by what is none")?)))
            }
            (Name::RebuildParameter, [tensor, ..]) => match &machine.nodes[*tensor] {
                Node::Object(Object::Tensor(view)) => Ok(Node::Object(Object::Tensor(view.clone()))),
                _ => Err("it makes a parameter of what is no tensor".to_owned()),
            },
            (Name::Class, _) => Ok(Node::Object(Object::Instance(None))),
            (Name::List | Name::Tagged | Name::Size, [items, ..]) => match &machine.nodes[*items] {
                Node::Sequence(items) => {
                    let items = items.clone();
                    machine.spend(items.len())?;
                    Ok(Node::Sequence(items))
                }
                Node::Dict(entries) => {
                    let entries = entries.clone();
                    machine.spend(entries.len())?;
                    Ok(Node::Dict(entries))
                }
                _ => Err("it makes a list of what is none".to_owned()),
            },
            _ => Err("it calls a function of PyTorch with unknown arguments".to_owned()),
        }
    }

    fn set_state(machine: &mut Machine<'_, Self>, target: Id, state: Id) -> Result<(), String> {
        match &mut machine.nodes[target] {
            // The attributes of an ordered dictionary are versions of modules.
            Node::Dict(_) => Ok(()),
            Node::Object(Object::Instance(attributes)) => {
                *attributes = Some(state);
                Ok(())
            }
            _ => Err("it gives a state to something that has none".to_owned()),
        }
    }

    /// `("storage", class, key, place, length)`, with a sixth item in old files, which is none.
    fn persistent(machine: &mut Machine<'_, Self>, reference: Id) -> Result<NodeOf<Self>, String> {
        let storage = || {
            let items = machine.sequence(reference)?;
            let (&[kind, class, key, _, length], rest) = items.split_first_chunk::<5>()?;
            let is_storage = matches!(&machine.nodes[kind], Node::Bytes(kind) if kind == b"storage");
            let Node::Name(Name::Storage(element)) = machine.nodes[class] else { return None };
            let Node::Bytes(key) = &machine.nodes[key] else { return None };
            let length = usize::try_from(machine.int(length)?).ok()?;
            let is_whole = rest.iter().all(|&id| matches!(machine.nodes[id], Node::Other));
            let storage = || Storage { key: String::from_utf8_lossy(key).into_owned(), element, length };
            (is_storage && is_whole).then(storage)
        };
        let storage = storage().ok_or("it refers to something that is no memory of numbers")?;
        machine.spend(storage.key.len())?;
        Ok(Node::Object(Object::Storage(storage)))
    }
}

/// What a piece of memory of one of PyTorch's classes is made of.
fn element(class: &str) -> Option<Element> {
    Some(match class {
        "DoubleStorage" => Element::F64,
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::Bf16,
        "LongStorage" => Element::I64,
        "IntStorage" => Element::I32,
        "ShortStorage" => Element::I16,
        "CharStorage" => Element::I8,
        "ByteStorage" => Element::U8,
        "BoolStorage" => Element::Bool,
        _ => return None,
    })
}

fn pairs_of(machine: &mut Machine<'_, Torch>, list: Id) -> Result<Vec<(Id, Id)>, String> {
    let not_pairs = || "it makes a dictionary of what are no pairs".to_owned();
    let pairs = machine.sequence(list).ok_or_else(not_pairs)?;
    let pair = |&id: &Id| match machine.sequence(id) {
        Some(&[key, value]) => Some((key, value)),
        _ => None,
    };
    let pairs: Vec<_> = pairs.iter().map(pair).collect::<Option<_>>().ok_or_else(not_pairs)?;
    machine.spend(pairs.len())?;
    Ok(pairs)
}

fn view(machine: &Machine<'_, Torch>, storage: Id, [offset, shape, strides]: [Id; 3]) -> Option<View> {
    let Node::Object(Object::Storage(storage)) = &machine.nodes[storage] else { return None };
    let offset = usize::try_from(machine.int(offset)?).ok()?;
    let (shape, strides) = (machine.extents(shape)?, machine.extents(strides)?);
    (shape.len() == strides.len()).then(|| View { storage: storage.clone(), offset, shape, strides })
}

/// What a pickle says of tensors.
pub(super) struct Described<'a> {
    /// The tensors of its state dict, by name.
    pub views: Vec<(String, View)>,
    /// All memory that it refers to.
    pub storages: Vec<Storage>,
    /// What follows the pickle.
    pub rest: &'a [u8],
}

/// Runs a pickle.
pub(super) fn described(pickle: &[u8]) -> Result<Described<'_>, Problem> {
    let mut machine = Machine::<Torch>::new(pickle);
    let root = machine.run().map_err(Problem::Hostile)?;
    let views = state_dict(&machine, root)?;
    let rest = machine.rest();
    let storages = machine.nodes.into_iter().filter_map(|node| match node {
        Node::Object(Object::Storage(storage)) => Some(storage),
        _ => None,
    });
    Ok(Described { views, storages: storages.collect(), rest })
}

/// What is wrong with a file, before it is known which.
#[derive(Debug)]
pub(super) enum Problem {
    Hostile(String),
    Broken(String),
    Other(String),
}

/// The one state dict in a value.
fn state_dict(machine: &Machine<'_, Torch>, root: Id) -> Result<Vec<(String, View)>, Problem> {
    let mut visits = 0;
    let direct = |id: Id| matches!(machine.nodes[id], Node::Object(Object::Tensor(_)));
    let Node::Dict(entries) = &machine.nodes[root] else {
        return named(machine, root, &mut visits).and_then(some);
    };
    if entries.iter().any(|&(_, value)| direct(value)) {
        return named(machine, root, &mut visits).and_then(some);
    }
    let mut found: Vec<(String, Vec<(String, View)>)> = Vec::new();
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

fn some(tensors: Vec<(String, View)>) -> Result<Vec<(String, View)>, Problem> {
    if tensors.is_empty() { Err(Problem::Broken("it holds no tensors".into())) } else { Ok(tensors) }
}

/// All tensors in a value with their names, joined by dots.
fn named(machine: &Machine<'_, Torch>, root: Id, visits: &mut usize) -> Result<Vec<(String, View)>, Problem> {
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
                open.push((*attributes, path, has_name, depth + 1));
            }
            _ => {}
        }
    }
    Ok(tensors)
}

fn text(machine: &Machine<'_, Torch>, id: Id) -> Option<String> {
    match &machine.nodes[id] {
        Node::Bytes(text) => String::from_utf8(text.clone()).ok(),
        _ => None,
    }
}
