//! The memory of the machine that reads pickles.

use std::collections::HashMap;

use super::{Dialect, NodeOf};
use crate::file::{Input, Span};

/// A place in the machine's memory. Values refer to each other by number, so a pickle that ties
/// knots makes a knot of numbers, not one of pointers.
pub(crate) type Id = usize;

/// A value.
#[derive(Debug)]
pub(crate) enum Node<Name, Object> {
    /// What is of no use here, such as numbers that are too long to count anything.
    Other,
    /// Python's `None`.
    Nothing,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A byte string or a text.
    Bytes(Vec<u8>),
    /// One that was left where it lies, because its dialect keeps none that long.
    Span(Span),
    /// A tuple or a list.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Object(Object),
}

/// A machine that runs one pickle, or several one after the other.
#[derive(Debug)]
pub(crate) struct Machine<'a, D: Dialect> {
    pub(crate) input: Input<'a>,
    pub(crate) nodes: Vec<NodeOf<D>>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Id>,
    /// Bytes that may still be copied; more would be copies of copies.
    budget: usize,
    /// What may still be done.
    pub(crate) limits: Limits,
}

/// How much a pickle may ask for, together with all pickles that lie within it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Instructions that may still be followed.
    steps: usize,
    /// How many pickles this one lies in.
    depth: usize,
}

impl Limits {
    /// Those of a file.
    pub(crate) const FILE: Self = Self { steps: MAX_STEPS, depth: 0 };

    /// Those of a pickle within a pickle.
    pub(crate) fn within(self) -> Result<Self, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!("it holds files within files, over {MAX_DEPTH} deep"));
        }
        let steps = self.steps.saturating_sub(STEPS_OF_A_FILE);
        Ok(Self { steps, depth: self.depth + 1 })
    }

    /// Those that are left after the pickles within have taken some.
    pub(crate) fn left_by(self, within: Self) -> Self {
        Self { steps: within.steps, ..self }
    }

    /// Counts an instruction, or what takes as long.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let left = self.steps.checked_sub(1);
        self.steps = left.ok_or_else(|| format!("it has over {MAX_STEPS} instructions"))?;
        Ok(())
    }
}

impl<'a, D: Dialect> Machine<'a, D> {
    /// A machine that has done nothing yet.
    pub(crate) fn new(pickle: Input<'a>, limits: Limits) -> Self {
        let budget = usize::try_from(pickle.left()).unwrap_or(MOST_BUDGET).min(MOST_BUDGET);
        Self {
            input: pickle,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            budget: budget.saturating_mul(4),
            limits,
        }
    }

    /// What follows the pickle.
    pub(crate) fn into_rest(self) -> Input<'a> {
        self.input
    }

    /// Counts bytes that a dialect copies.
    pub(crate) fn spend(&mut self, n_bytes: usize) -> Result<(), String> {
        self.budget = self.budget.checked_sub(n_bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }

    /// The items of a tuple or list.
    pub(crate) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match &self.nodes[id] {
            Node::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// A whole number.
    pub(crate) fn int(&self, id: Id) -> Option<i64> {
        match self.nodes[id] {
            Node::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The extents of an array.
    pub(crate) fn extents(&self, id: Id) -> Option<Vec<usize>> {
        let extent = |&id: &Id| usize::try_from(self.int(id)?).ok();
        self.sequence(id).filter(|items| items.len() <= MOST_ITEMS)?.iter().map(extent).collect()
    }

    /// Stands in for a call of one of the known names.
    pub(super) fn reduce(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let Node::Name(callable) = self.nodes[callable] else {
            return Err("it calls something that is no function".to_owned());
        };
        let Some(arguments) = self.sequence(arguments) else {
            return Err("it calls a function without arguments".to_owned());
        };
        if arguments.len() > MOST_ITEMS {
            return Err("it calls a function with more arguments than any takes".to_owned());
        }
        let arguments = arguments.to_vec();
        let node = D::call(self, callable, &arguments)?;
        self.push(node)
    }

    /// Fills an object with its state.
    pub(super) fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        let target = *self.stack.last().ok_or(UNDERFLOW)?;
        D::set_state(self, target, state)
    }

    pub(super) fn push(&mut self, node: NodeOf<D>) -> Result<(), String> {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    pub(super) fn push_name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let found = D::find(module, name);
        let found =
            found.ok_or_else(|| format!("it asks for `{module}.{name}`, which data has no need of"))?;
        self.push(Node::Name(found))
    }

    pub(super) fn push_int(&mut self, n_bytes: usize) -> Result<(), String> {
        let number = self.input.little_endian(n_bytes)?;
        self.push(Node::Int(number as i64))
    }

    /// Takes what is written with a length of so many bytes, or leaves it where it is if it has over `longest` bytes.
    pub(super) fn push_bytes(&mut self, n_length_bytes: usize, longest: usize) -> Result<(), String> {
        let length = self.input.little_endian(n_length_bytes)?;
        let node = if length <= longest as u64 {
            Node::Bytes(self.input.bytes(length)?)
        } else {
            Node::Span(self.input.skip(length)?)
        };
        self.push(node)
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

    /// A line of a pickle, which is a name.
    pub(super) fn line(&mut self) -> Result<String, String> {
        let line = self.input.until(b'\n', MOST_NAME)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// More instructions than any pickle of a published set or model has; with them, memory is bounded too.
const MAX_STEPS: usize = 4 << 20;
/// How many instructions a pickle within a pickle counts for besides its own: they are many small ones.
const STEPS_OF_A_FILE: usize = 100;
/// A tensor in a pickle is a file of its own; nothing lies deeper.
const MAX_DEPTH: usize = 2;
/// The longest name of a function or class.
const MOST_NAME: usize = 1024;
/// What is copied of a file that is mostly memory of tensors.
const MOST_BUDGET: usize = 64 << 20;
/// Arguments of a call and axes of an array at most. They are gone through each time, and a pickle may name one list a
/// million times.
const MOST_ITEMS: usize = 64;
pub(super) const UNDERFLOW: &str = "it takes from an empty stack";
const TOO_LARGE: &str = "it makes more of itself than its size allows";
