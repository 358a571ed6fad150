//! The header of a numpy array file: a magic number and one Python dictionary, read literally.

use std::io::{self, Read};

/// Longer than the header of any array of numbers.
const MAX_HEADER: usize = 64 << 10;

/// More axes than any array here has.
const MAX_AXES: usize = 8;

/// What precedes the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NpyHeader {
    /// The element type as numpy spells it, like `|u1` or `<i8`.
    pub(super) descr: String,
    /// Column-major instead of row-major.
    pub(super) fortran_order: bool,
    /// The extents.
    pub(super) shape: Vec<usize>,
}

impl NpyHeader {
    /// Reads a header and leaves the reader at the first number. Returns how many bytes it has, too.
    ///
    /// An error of the kind `InvalidData` says what is wrong with the header.
    pub(super) fn read(reader: &mut dyn Read) -> io::Result<(Self, u64)> {
        let mut start = [0; 8];
        reader.read_exact(&mut start)?;
        if &start[..6] != b"\x93NUMPY" {
            return Err(invalid("not a numpy array"));
        }
        let n_length_bytes = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => {
                return Err(invalid(format!("numpy format version {version} is unknown")));
            }
        };
        let mut length = [0; 4];
        reader.read_exact(&mut length[..n_length_bytes])?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err(invalid(format!("a numpy header of {length} bytes")));
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        let text = String::from_utf8(text).map_err(|_| invalid("a numpy header that is no text"))?;
        let header = Literal { rest: &text }.header()?;
        Ok((header, (start.len() + n_length_bytes + length) as u64))
    }

    /// The header as numpy writes it, padded so that the numbers start at a multiple of 64.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let order = if self.fortran_order { "True" } else { "False" };
        let mut axes: String = self.shape.iter().map(|axis| format!("{axis}, ")).collect();
        // One axis keeps its comma, as Python needs it: `(5,)`.
        axes.truncate(axes.len().saturating_sub(if self.shape.len() == 1 { 1 } else { 2 }));
        let descr = &self.descr;
        let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({axes}), }}");
        let unpadded = 10 + text.len() + 1;
        text.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
        text.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }
}

/// Just enough of Python's literals: one dictionary of strings, booleans and tuples of numbers.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(mut self) -> io::Result<NpyHeader> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            match self.string()? {
                "descr" => {
                    self.expect(':')?;
                    if self.peek() == Some('[') {
                        return Err(invalid("arrays of records are not read"));
                    }
                    descr = Some(self.string()?.to_owned());
                }
                "fortran_order" => {
                    self.expect(':')?;
                    fortran_order = Some(self.boolean()?);
                }
                "shape" => {
                    self.expect(':')?;
                    shape = Some(self.tuple()?);
                }
                key => return Err(invalid(format!("unknown key `{key}` in the numpy header"))),
            }
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.unexpected());
            }
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(NpyHeader { descr, fortran_order, shape }),
            _ => Err(invalid("the numpy header lacks `descr`, `fortran_order` or `shape`")),
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, wanted: char) -> io::Result<()> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn string(&mut self) -> io::Result<&'a str> {
        let quote = match self.peek() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return Err(self.unexpected()),
        };
        let (text, rest) = self.rest[1..].split_once(quote).ok_or_else(|| self.unexpected())?;
        self.rest = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> io::Result<bool> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected())
    }

    fn tuple(&mut self) -> io::Result<Vec<usize>> {
        let mut axes = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            if axes.len() == MAX_AXES {
                return Err(invalid(format!("a numpy array with over {MAX_AXES} axes")));
            }
            self.peek();
            let n_digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = self.rest.split_at(n_digits);
            axes.push(digits.parse().map_err(|_| self.unexpected())?);
            self.rest = rest;
            if !self.take(',') && self.peek() != Some(')') {
                return Err(self.unexpected());
            }
        }
        Ok(axes)
    }

    fn unexpected(&self) -> io::Error {
        let found: String = self.rest.chars().take(20).collect();
        invalid(format!("the numpy header cannot be read from `{found}` on"))
    }
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> io::Result<NpyHeader> {
        Literal { rest: text }.header()
    }

    #[test]
    fn numpy_headers_are_read() {
        let header = parse("{'descr': '|u1', 'fortran_order': False, 'shape': (10, 32, 32, 3), }  \n");
        let expected = NpyHeader { descr: "|u1".into(), fortran_order: false, shape: vec![10, 32, 32, 3] };
        assert_eq!(header.unwrap(), expected);
        let labels = parse("{\"shape\": (5,), \"descr\": \"<i8\", \"fortran_order\": True}").unwrap();
        assert_eq!(labels.shape, [5]);
        assert!(labels.fortran_order);
        let scalar = parse("{'descr': '<i8', 'fortran_order': False, 'shape': ()}").unwrap();
        assert!(scalar.shape.is_empty());
    }

    #[test]
    fn written_headers_are_read_back_and_aligned() {
        for shape in [vec![], vec![7], vec![1, 2, 3, 4]] {
            let header = NpyHeader { descr: "|u1".into(), fortran_order: false, shape };
            let bytes = header.to_bytes();
            assert_eq!(bytes.len() % 64, 0);
            let n_bytes = bytes.len() as u64;
            assert_eq!(NpyHeader::read(&mut bytes.as_slice()).unwrap(), (header, n_bytes));
        }
    }

    #[test]
    fn malformed_headers_are_errors() {
        for text in [
            "",
            "{",
            "{'descr'",
            "{'descr': '|u1'}",
            "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1 2)}",
            "{'descr': '|u1' 'fortran_order': False, 'shape': (1,)}",
            "{'exec': 'rm', 'fortran_order': False, 'shape': (1,)}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
