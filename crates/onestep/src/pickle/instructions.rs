//! The instructions of a pickle.

use super::Dialect;
use super::machine::{Id, Machine, Node, UNDERFLOW};

impl<D: Dialect> Machine<'_, D> {
    /// Follows the instructions of one pickle to its end and returns what it came to.
    pub(crate) fn run(&mut self) -> Result<Id, String> {
        loop {
            self.limits.step()?;
            let opcode = self.input.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            // Protocol number and frame length say nothing that the rest does not.
            0x80 => self.input.skip(1).map(drop),
            0x95 => self.input.skip(8).map(drop),
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
            b'N' => self.push(Node::Nothing),
            0x88 | 0x89 => self.push(Node::Bool(opcode == 0x88)),
            b'G' => {
                let bytes = self.input.array::<8>()?;
                self.push(Node::Float(f64::from_be_bytes(bytes)))
            }
            b'K' => self.push_int(1),
            b'M' => self.push_int(2),
            b'J' => {
                let bytes = self.input.array::<4>()?;
                self.push(Node::Int(i64::from(i32::from_le_bytes(bytes))))
            }
            0x8a | 0x8b => {
                let length = self.input.little_endian(if opcode == 0x8a { 1 } else { 4 })?;
                // Longer numbers exist, but none that counts anything.
                let node = if length <= 8 {
                    Node::Int(signed(&self.input.bytes(length)?))
                } else {
                    self.input.skip(length).map(|_| Node::Other)?
                };
                self.push(node)
            }
            // Byte strings and text, with lengths of one, four or eight bytes.
            b'C' => self.push_bytes(1, D::LONGEST_BYTES),
            b'B' => self.push_bytes(4, D::LONGEST_BYTES),
            0x8e => self.push_bytes(8, D::LONGEST_BYTES),
            b'U' | 0x8c => self.push_bytes(1, D::LONGEST_TEXT),
            b'T' | b'X' => self.push_bytes(4, D::LONGEST_TEXT),
            0x8d => self.push_bytes(8, D::LONGEST_TEXT),
            // A set is a list here.
            b']' | b')' | 0x8f => self.push(Node::Sequence(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'l' | b't' | 0x91 => {
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
            b'e' | 0x90 => {
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
                let key = u32::from(self.input.byte()?);
                self.remember(key)
            }
            b'r' => {
                let key = u32::from_le_bytes(self.input.array()?);
                self.remember(key)
            }
            0x94 => self.remember(self.memo.len() as u32),
            b'h' => {
                let key = u32::from(self.input.byte()?);
                self.recall(key)
            }
            b'j' => {
                let key = u32::from_le_bytes(self.input.array()?);
                self.recall(key)
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push_name(&module, &name)
            }
            0x93 => {
                let name = self.pop_text()?;
                let module = self.pop_text()?;
                self.push_name(&module, &name)
            }
            // A call, and one that makes an object of a class.
            b'R' | 0x81 => self.reduce(),
            b'Q' => {
                let reference = self.pop()?;
                let node = D::persistent(self, reference)?;
                self.push(node)
            }
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
