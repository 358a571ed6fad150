//! The dialect of pickles in which PyTorch describes tensors.
//!
//! A tensor is a call of one function, with a reference to a piece of memory that lies elsewhere in the file, or with an old
//! file of PyTorch that holds this piece. The classes of TorchScript's and PyTorch's modules are taken for what they are here:
//! attributes by name; and so are the objects of EDM, which bring their source along: it is left where it lies.

use super::legacy;
use crate::arrays::Element;
use crate::pickle::{Dialect, Id, Machine, Node, NodeOf};

/// A piece of memory of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub key: String,
    pub element: Element,
    /// How many numbers.
    pub length: usize,
    /// Where it begins in the file; none where it is found by its key.
    pub at: Option<u64>,
}

/// A tensor: how it lies in a piece of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The tensors of one state dict, by name.
pub(super) type Tensors = Vec<(String, View)>;

/// State dicts in real files are two or three levels deep.
pub(super) const MAX_DEPTH: usize = 64;
/// Values that are looked at, for dictionaries that hold each other many times.
pub(super) const MAX_VISITS: usize = 1 << 20;

/// The dialect.
#[derive(Debug)]
pub(super) struct Torch;

/// The text that a value is; none where it is another kind of value.
pub(super) fn text(machine: &Machine<'_, Torch>, id: Id) -> Option<String> {
    match &machine.nodes[id] {
        Node::Bytes(text) => String::from_utf8(text.clone()).ok(),
        _ => None,
    }
}

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
    Set,
    /// A dictionary of EDM.
    EasyDict,
    /// An object of EDM, with the source of its class.
    Persistent,
    /// A piece of memory as a file of its own.
    LoadFromBytes,
    /// The method of an object.
    Attribute,
    /// Types, devices, numbers of numpy.
    Opaque,
}

#[derive(Debug)]
pub(super) enum Object {
    Storage(Storage),
    Tensor(View),
    /// An object of a class, with its attributes.
    Instance(Option<Id>),
    /// An object of EDM, with the dictionary that describes it.
    Persistent(Id),
    /// Something that no weight is made of.
    Opaque,
}

impl Dialect for Torch {
    type Name = Name;
    type Object = Object;

    /// Byte strings are memory, or of no use.
    const LONGEST_BYTES: usize = 0;
    /// Names are short; what is longer is source.
    const LONGEST_TEXT: usize = 1024;

    fn find(module: &str, name: &str) -> Option<Name> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Name::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Name::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Name::RebuildParameter),
            ("torch", "Size") => Some(Name::Size),
            ("torch", "device" | "dtype") => Some(Name::Opaque),
            ("torch", class) => element(class).map(Name::Storage).or(is_dtype(class).then_some(Name::Opaque)),
            ("torch.storage", "_load_from_bytes") => Some(Name::LoadFromBytes),
            ("torch_utils.persistence", "_reconstruct_persistent_obj") => Some(Name::Persistent),
            ("dnnlib" | "dnnlib.util", "EasyDict") => Some(Name::EasyDict),
            ("builtins" | "__builtin__", "set" | "frozenset") => Some(Name::Set),
            ("builtins" | "__builtin__", "getattr") => Some(Name::Attribute),
            ("numpy", "dtype" | "ndarray") | ("_codecs", "encode") => Some(Name::Opaque),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct") => {
                Some(Name::Opaque)
            }
            (module, _) if module.starts_with("torch.nn.modules.") => Some(Name::Class),
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
            (Name::EasyDict, []) => Ok(Node::Dict(Vec::new())),
            (Name::Set, []) => Ok(Node::Sequence(Vec::new())),
            (Name::Persistent, &[meta]) if matches!(machine.nodes[meta], Node::Dict(_)) => {
                Ok(Node::Object(Object::Persistent(meta)))
            }
            (Name::LoadFromBytes, &[bytes]) => {
                let Node::Span(span) = machine.nodes[bytes] else {
                    return Err("it loads memory from what are no bytes".to_owned());
                };
                let mut limits = machine.limits.within()?;
                let file = machine.input.section(span)?;
                let storage = legacy::single_storage(file, &mut limits)
                    .map_err(|problem| format!("of a file within it: {}", problem.reason()))?;
                machine.limits = machine.limits.left_by(limits);
                Ok(Node::Object(Object::Storage(storage)))
            }
            // Losses keep which of their methods they use; nothing here asks for it.
            (Name::Attribute, &[object, name]) => match (&machine.nodes[object], &machine.nodes[name]) {
                (Node::Object(Object::Persistent(_) | Object::Instance(_)), Node::Bytes(_)) => {
                    Ok(Node::Object(Object::Opaque))
                }
                _ => Err("it asks for a part of something that is no object of a model".to_owned()),
            },
            (Name::Opaque, _) => Ok(Node::Object(Object::Opaque)),
            (Name::List | Name::Tagged | Name::Size | Name::Set, [items, ..]) => match &machine.nodes[*items]
            {
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
            Node::Dict(_) | Node::Object(Object::Opaque) => Ok(()),
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
            let is_whole = rest.iter().all(|&id| matches!(machine.nodes[id], Node::Nothing));
            let storage =
                || Storage { key: String::from_utf8_lossy(key).into_owned(), element, length, at: None };
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

/// Whether a name of PyTorch is one of its types of numbers.
fn is_dtype(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(stem, "float" | "bfloat" | "int" | "uint" | "complex" | "bool" | "double" | "half" | "long")
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
