//! The memory of the machine that reads pickles, and what it does instead of calling functions.

use std::collections::HashMap;

/// A place in the machine's memory. Values refer to each other by number, so a pickle that ties
/// knots makes a knot of numbers, not one of pointers.
pub(super) type Id = usize;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Other,
    Int(i64),
    Bytes(Vec<u8>),
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Known(Known),
    Dtype { is_byte: bool },
    Array { shape: Vec<usize>, bytes: Vec<u8> },
}

/// The names a pickle may ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Known {
    Reconstruct,
    NdArray,
    Dtype,
    Encode,
}

impl Known {
    pub(super) fn find(module: &str, name: &str) -> Result<Self, String> {
        match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Ok(Self::Reconstruct),
            ("numpy", "ndarray") => Ok(Self::NdArray),
            ("numpy", "dtype") => Ok(Self::Dtype),
            ("_codecs", "encode") => Ok(Self::Encode),
            _ => Err(format!("it asks for `{module}.{name}`, which data has no need of")),
        }
    }
}

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Id>,
    /// Bytes that may still be copied; more would be copies of copies.
    budget: usize,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Self {
            rest: pickle,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            budget: pickle.len().saturating_mul(4),
        }
    }
    /// Stands in for a call of one of the known names.
    pub(super) fn reduce(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let Node::Known(callable) = self.nodes[callable] else {
            return Err("it calls something that is no function".to_owned());
        };
        let Node::Sequence(arguments) = &self.nodes[arguments] else {
            return Err("it calls a function without arguments".to_owned());
        };
        let arguments: Vec<&Node> = arguments.iter().map(|&id| &self.nodes[id]).collect();
        let node = match (callable, &arguments[..]) {
            (Known::Reconstruct, [Node::Known(Known::NdArray), Node::Sequence(_), Node::Bytes(_)]) => {
                Node::Array { shape: vec![0], bytes: Vec::new() }
            }
            (Known::Dtype, [Node::Bytes(name), ..]) => {
                Node::Dtype { is_byte: matches!(&name[..], b"u1" | b"|u1" | b"uint8") }
            }
            // Python 3 writes the bytes of an old protocol as text that is to be encoded.
            (Known::Encode, [Node::Bytes(text), Node::Bytes(codec)])
                if matches!(&codec[..], b"latin1" | b"latin-1") =>
            {
                let latin1 = std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect())
                    .ok_or("its Latin-1 text is none")?;
                self.budget = self.budget.checked_sub(text.len()).ok_or(TOO_LARGE)?;
                Node::Bytes(latin1)
            }
            _ => return Err("it calls a numpy function with unknown arguments".to_owned()),
        };
        self.push(node)
    }

    /// Fills an array with its state, `(version, shape, dtype, column-major, bytes)`.
    pub(super) fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        let target = *self.stack.last().ok_or(UNDERFLOW)?;
        match (&self.nodes[target], &self.nodes[state]) {
            // The state of a dtype is its byte order, and bytes have none.
            (Node::Dtype { .. }, _) => Ok(()),
            (Node::Array { .. }, Node::Sequence(state)) => {
                let state: Vec<&Node> = state.iter().map(|&id| &self.nodes[id]).collect();
                let [
                    Node::Int(_),
                    Node::Sequence(shape),
                    Node::Dtype { is_byte: true },
                    _,
                    Node::Bytes(bytes),
                ] = state[..]
                else {
                    return Err("it holds an array that is not of plain uint8".to_owned());
                };
                let extent = |&id: &Id| match self.nodes[id] {
                    Node::Int(extent) => usize::try_from(extent).ok(),
                    _ => None,
                };
                let shape: Option<Vec<usize>> = shape.iter().map(extent).collect();
                let shape = shape.ok_or("it holds an array with a bad shape")?;
                let n_values = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
                if n_values != Some(bytes.len()) {
                    return Err(format!("an array of shape {shape:?} has {} bytes", bytes.len()));
                }
                self.budget = self.budget.checked_sub(bytes.len()).ok_or(TOO_LARGE)?;
                self.nodes[target] = Node::Array { shape, bytes: bytes.clone() };
                Ok(())
            }
            _ => Err("it gives a state to something that has none".to_owned()),
        }
    }

    pub(super) fn push(&mut self, node: Node) -> Result<(), String> {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    pub(super) fn push_int(&mut self, n_bytes: usize) -> Result<(), String> {
        let number = self.length(n_bytes)?;
        self.push(Node::Int(number as i64))
    }

    pub(super) fn push_bytes(&mut self, n_length_bytes: usize) -> Result<(), String> {
        let length = self.length(n_length_bytes)?;
        let bytes = self.take(length)?.to_vec();
        self.push(Node::Bytes(bytes))
    }

    pub(super) fn pop(&mut self) -> Result<Id, String> {
        // What lies below a mark belongs to the collection that is being built.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(UNDERFLOW.to_owned());
        }
        self.stack.pop().ok_or_else(|| UNDERFLOW.to_owned())
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or(UNDERFLOW)?;
        if mark > self.stack.len() {
            return Err(UNDERFLOW.to_owned());
        }
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn pop_text(&mut self) -> Result<String, String> {
        let id = self.pop()?;
        match &self.nodes[id] {
            Node::Bytes(text) => Ok(String::from_utf8_lossy(text).into_owned()),
            _ => Err("it names something by what is no string".to_owned()),
        }
    }

    pub(super) fn extend_list(&mut self, items: Vec<Id>) -> Result<(), String> {
        let list = *self.stack.last().ok_or(UNDERFLOW)?;
        match &mut self.nodes[list] {
            Node::Sequence(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err("it appends to something that is no list".to_owned()),
        }
    }

    pub(super) fn extend_dict(&mut self, items: Vec<Id>) -> Result<(), String> {
        let dict = *self.stack.last().ok_or(UNDERFLOW)?;
        match &mut self.nodes[dict] {
            Node::Dict(entries) if items.len().is_multiple_of(2) => {
                entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err("it sets items of something that is no dictionary".to_owned()),
        }
    }

    pub(super) fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = *self.stack.last().ok_or(UNDERFLOW)?;
        self.memo.insert(key, top);
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or("it recalls what it never stored")?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// An unsigned little-endian number.
    pub(super) fn length(&mut self, n_bytes: usize) -> Result<usize, String> {
        let mut wide = [0; 8];
        wide[..n_bytes].copy_from_slice(self.take(n_bytes)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| TOO_LARGE.to_owned())
    }

    pub(super) fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or("it ends too early")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }
}

pub(super) const UNDERFLOW: &str = "it takes from an empty stack";
pub(super) const TOO_LARGE: &str = "it makes more of itself than its size allows";
