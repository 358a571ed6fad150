//! Pickles of dictionaries with numpy arrays.
//!
//! Four names stand for "here comes a numpy array"; calls of them are recognised by their arguments, and the array is built
//! here.

use crate::file::Input;
use crate::pickle::{Dialect, Id, Limits, Machine, Node};

/// The most and the longest texts that are taken from a list: class names are few and short.
const MAX_TEXTS: usize = 10_000;
const MAX_TEXT: usize = 256;

/// The dictionary that a pickle came to.
#[derive(Debug)]
pub(super) struct Dictionary {
    nodes: Vec<Node<Name, Object>>,
    entries: Vec<(Id, Id)>,
}

impl Dictionary {
    /// Reads a pickle that is one dictionary.
    ///
    /// The error is a sentence about the file, such as "it asks for `os.system`".
    pub(super) fn read(pickle: &[u8]) -> Result<Self, String> {
        let mut machine = Machine::<Numpy>::new(Input::memory(pickle), Limits::FILE);
        let root = machine.run()?;
        match &mut machine.nodes[root] {
            Node::Dict(entries) => {
                let entries = std::mem::take(entries);
                Ok(Self { nodes: machine.nodes, entries })
            }
            _ => Err("it holds no dictionary".to_owned()),
        }
    }

    /// The shape and bytes of a row-major `uint8` array.
    pub(super) fn array(&self, key: &str) -> Option<(&[usize], &[u8])> {
        match self.get(key)? {
            Node::Object(Object::Array { shape, bytes }) => Some((shape, bytes)),
            _ => None,
        }
    }

    /// A list of whole numbers.
    pub(super) fn numbers(&self, key: &str) -> Option<Vec<i64>> {
        let Node::Sequence(items) = self.get(key)? else {
            return None;
        };
        let number = |&item: &Id| match self.nodes[item] {
            Node::Int(number) => Some(number),
            _ => None,
        };
        items.iter().map(number).collect()
    }

    /// A list of short strings.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let Node::Sequence(items) = self.get(key)? else {
            return None;
        };
        let text = |&item: &Id| match &self.nodes[item] {
            Node::Bytes(text) if text.len() <= MAX_TEXT => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        if items.len() <= MAX_TEXTS { items.iter().map(text).collect() } else { None }
    }

    fn get(&self, key: &str) -> Option<&Node<Name, Object>> {
        let is_key = |id: Id| matches!(&self.nodes[id], Node::Bytes(name) if name == key.as_bytes());
        // Setting a key twice keeps the later value, as in Python.
        let &(_, value) = self.entries.iter().rev().find(|&&(name, _)| is_key(name))?;
        Some(&self.nodes[value])
    }
}

/// The dialect of CIFAR's batches.
#[derive(Debug)]
struct Numpy;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Reconstruct,
    NdArray,
    Dtype,
    Encode,
}

#[derive(Debug)]
enum Object {
    Dtype { is_byte: bool },
    Array { shape: Vec<usize>, bytes: Vec<u8> },
}

impl Dialect for Numpy {
    type Name = Name;
    type Object = Object;

    fn find(module: &str, name: &str) -> Option<Name> {
        match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Some(Name::Reconstruct),
            ("numpy", "ndarray") => Some(Name::NdArray),
            ("numpy", "dtype") => Some(Name::Dtype),
            ("_codecs", "encode") => Some(Name::Encode),
            _ => None,
        }
    }

    fn call(
        machine: &mut Machine<'_, Self>,
        callable: Name,
        arguments: &[Id],
    ) -> Result<Node<Name, Object>, String> {
        let arguments: Vec<_> = arguments.iter().map(|&id| &machine.nodes[id]).collect();
        match (callable, &arguments[..]) {
            (Name::Reconstruct, [Node::Name(Name::NdArray), Node::Sequence(_), Node::Bytes(_)]) => {
                Ok(Node::Object(Object::Array { shape: vec![0], bytes: Vec::new() }))
            }
            (Name::Dtype, [Node::Bytes(name), ..]) => {
                Ok(Node::Object(Object::Dtype { is_byte: matches!(&name[..], b"u1" | b"|u1" | b"uint8") }))
            }
            // Python 3 writes the bytes of an old protocol as text that is to be encoded.
            (Name::Encode, [Node::Bytes(text), Node::Bytes(codec)])
                if matches!(&codec[..], b"latin1" | b"latin-1") =>
            {
                let latin1: Vec<u8> = std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect())
                    .ok_or("its Latin-1 text is none")?;
                let n_bytes = text.len();
                machine.spend(n_bytes)?;
                Ok(Node::Bytes(latin1))
            }
            _ => Err("it calls a numpy function with unknown arguments".to_owned()),
        }
    }

    /// Fills an array with its state, `(version, shape, dtype, column-major, bytes)`.
    fn set_state(machine: &mut Machine<'_, Self>, target: Id, state: Id) -> Result<(), String> {
        match &machine.nodes[target] {
            // The state of a dtype is its byte order, and bytes have none.
            Node::Object(Object::Dtype { .. }) => return Ok(()),
            Node::Object(Object::Array { .. }) => {}
            _ => return Err("it gives a state to something that has none".to_owned()),
        }
        let not_plain = || "it holds an array that is not of plain uint8".to_owned();
        let &[_, shape, dtype, _, bytes] = machine.sequence(state).ok_or_else(not_plain)? else {
            return Err(not_plain());
        };
        let (Node::Object(Object::Dtype { is_byte: true }), Node::Bytes(bytes)) =
            (&machine.nodes[dtype], &machine.nodes[bytes])
        else {
            return Err(not_plain());
        };
        let shape = machine.extents(shape).ok_or("it holds an array with a bad shape")?;
        let n_values = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
        if n_values != Some(bytes.len()) {
            return Err(format!("an array of shape {shape:?} has {} bytes", bytes.len()));
        }
        let bytes = bytes.clone();
        machine.spend(bytes.len())?;
        machine.nodes[target] = Node::Object(Object::Array { shape, bytes });
        Ok(())
    }
}
