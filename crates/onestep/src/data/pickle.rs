//! Reading Python's pickles without being Python.
//!
//! A pickle is a program for a stack machine whose instructions can name any function and call
//! it. This reader knows the instructions that build plain values, and four names that stand for
//! "here comes a numpy array"; it recognises those calls by their arguments and builds the array
//! itself. Any other instruction or name ends the reading with an error. Nothing is ever called.

use super::pickle_stack::{Id, Known, Machine, Node, UNDERFLOW};

/// More instructions than any pickle of a published set has; with them, memory is bounded too.
const MAX_STEPS: usize = 4 << 20;

/// The most and the longest texts that are taken from a list: class names are few and short.
const MAX_TEXTS: usize = 10_000;
const MAX_TEXT: usize = 256;

/// The dictionary that a pickle came to.
#[derive(Debug)]
pub(super) struct Dictionary {
    nodes: Vec<Node>,
    entries: Vec<(Id, Id)>,
}

impl Dictionary {
    /// Reads a pickle that is one dictionary.
    ///
    /// The error is a sentence about the file, such as "it asks for `os.system`".
    pub(super) fn read(pickle: &[u8]) -> Result<Self, String> {
        let mut machine = Machine::new(pickle);
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
            Node::Array { shape, bytes } => Some((shape, bytes)),
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

    fn get(&self, key: &str) -> Option<&Node> {
        let is_key = |id: Id| matches!(&self.nodes[id], Node::Bytes(name) if name == key.as_bytes());
        // Setting a key twice keeps the later value, as in Python.
        let &(_, value) = self.entries.iter().rev().find(|&&(name, _)| is_key(name))?;
        Some(&self.nodes[value])
    }
}

impl Machine<'_> {
    /// Follows the instructions to the end and returns what is left on the stack.
    fn run(&mut self) -> Result<Id, String> {
        for _ in 0..MAX_STEPS {
            let opcode = self.take(1)?[0];
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
        Err(format!("it has over {MAX_STEPS} instructions"))
    }

    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            // Protocol number and frame length say nothing that the rest does not.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = *self.stack.last().ok_or(UNDERFLOW)?;
                self.stack.push(top);
                Ok(())
            }
            b'N' | 0x88 | 0x89 => self.push(Node::Other),
            b'G' => {
                self.take(8)?;
                self.push(Node::Other)
            }
            b'K' => self.push_int(1),
            b'M' => self.push_int(2),
            b'J' => {
                let bytes = self.array::<4>()?;
                self.push(Node::Int(i64::from(i32::from_le_bytes(bytes))))
            }
            0x8a => {
                let length = self.length(1)?;
                let bytes = self.take(length)?;
                // Longer numbers exist, but none that counts anything.
                let node = if length <= 8 { Node::Int(signed(bytes)) } else { Node::Other };
                self.push(node)
            }
            // Byte strings and text, with lengths of one, four or eight bytes.
            b'U' | b'C' | 0x8c => self.push_bytes(1),
            b'T' | b'B' | b'X' => self.push_bytes(4),
            0x8e | 0x8d => self.push_bytes(8),
            b']' | b')' => self.push(Node::Sequence(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'l' | b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Sequence(items))
            }
            0x85..=0x87 => {
                let n_items = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(n_items).ok_or(UNDERFLOW)?;
                let items = self.stack.split_off(start);
                self.push(Node::Sequence(items))
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Dict(Vec::new()))?;
                self.extend_dict(items)
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(vec![key, value])
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(items)
            }
            b'q' => {
                let key = u32::from(self.take(1)?[0]);
                self.remember(key)
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)
            }
            0x94 => self.remember(self.memo.len() as u32),
            b'h' => {
                let key = u32::from(self.take(1)?[0]);
                self.recall(key)
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push(Node::Known(Known::find(&module, &name)?))
            }
            0x93 => {
                let name = self.pop_text()?;
                let module = self.pop_text()?;
                self.push(Node::Known(Known::find(&module, &name)?))
            }
            b'R' => self.reduce(),
            b'b' => self.build(),
            _ => Err(format!("it holds the instruction {opcode:#04x}, which data has no need of")),
        }
    }
}

fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}
