//! Files of `torch.save`: a zip that is not compressed, with one pickle and the numbers of each tensor.
//!
//! The pickle names tensors and says where their numbers are; it calls for nothing but what `torch.load(weights_only=True)` allows.
//! Each number is written once and in order, so that one tensor at a time is in memory.
//!
//! The crate `zip`, which reads such files here, is not used to write them: dropped before its end, it prints.

use std::io::{self, Write};

use flate2::Crc;

/// Name of the folder in the archive that holds everything.
const ROOT: &str = "archive";

/// Numbers begin at multiples of this, as PyTorch has it, so that they can be mapped.
const ALIGNMENT: u64 = 64;

/// What sizes and places of 32 bits say where the true one has 64.
const ELSEWHERE: u32 = u32::MAX;

/// An archive that grows member by member.
struct Archive<W> {
    output: W,
    at: u64,
    members: Vec<Member>,
}

/// What the end of the archive says of a member.
struct Member {
    name: String,
    crc: u32,
    size: u64,
    start: u64,
}

/// Writes a flat state dict: names and shapes, and the numbers of each in the same order.
///
/// # Errors
///
/// What `output` says.
pub(super) fn write_torch(
    output: impl Write,
    shapes: &[(String, Vec<usize>)],
    values: impl Iterator<Item = Vec<f32>>,
) -> io::Result<()> {
    let mut archive = Archive { output, at: 0, members: Vec::new() };
    archive.member("data.pkl", &pickle(shapes))?;
    archive.member("byteorder", b"little")?;
    for (index, values) in values.enumerate() {
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        archive.member(&format!("data/{index}"), &bytes)?;
    }
    archive.member("version", b"3\n")?;
    archive.finish()
}

impl<W: Write> Archive<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(bytes);
        let name = format!("{ROOT}/{name}");
        let member = Member { name, crc: crc.sum(), size: bytes.len() as u64, start: self.at };
        let mut extra = match small(member.size) {
            ELSEWHERE => wide(&[member.size, member.size]),
            _ => Vec::new(),
        };
        let begins = self.at + 30 + (member.name.len() + extra.len()) as u64 + 4;
        let padding = (begins.next_multiple_of(ALIGNMENT) - begins) as usize;
        extra.extend(b"FB");
        extra.extend((padding as u16).to_le_bytes());
        extra.resize(extra.len() + padding, 0);
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(member.description());
        header.extend((extra.len() as u16).to_le_bytes());
        header.extend(member.name.as_bytes());
        header.extend(extra);
        self.put(&header)?;
        self.put(bytes)?;
        self.members.push(member);
        Ok(())
    }

    /// The list of members, and where it is.
    fn finish(mut self) -> io::Result<()> {
        let start = self.at;
        for member in std::mem::take(&mut self.members) {
            let large = [member.size, member.size, member.start];
            let extra = match large.iter().any(|&number| small(number) == ELSEWHERE) {
                // All three or none: a reader looks for those whose place says that they are elsewhere.
                true => {
                    wide(&large.into_iter().filter(|&number| small(number) == ELSEWHERE).collect::<Vec<_>>())
                }
                false => Vec::new(),
            };
            let mut entry = b"PK\x01\x02".to_vec();
            entry.extend(VERSION.to_le_bytes());
            entry.extend(member.description());
            entry.extend((extra.len() as u16).to_le_bytes());
            entry.extend([0; 10]); // no comment, first disk, no attributes
            entry.extend(small(member.start).to_le_bytes());
            entry.extend(member.name.as_bytes());
            entry.extend(extra);
            self.put(&entry)?;
            self.members.push(member);
        }
        let (size, count, end) = (self.at - start, self.members.len() as u64, self.at);
        if small(start) == ELSEWHERE || small(size) == ELSEWHERE || count >= u64::from(u16::MAX) {
            let mut record = b"PK\x06\x06".to_vec();
            record.extend(44_u64.to_le_bytes());
            record.extend([VERSION.to_le_bytes(), VERSION.to_le_bytes()].concat());
            record.extend([0; 8]); // one disk
            for number in [count, count, size, start] {
                record.extend(number.to_le_bytes());
            }
            record.extend(b"PK\x06\x07\0\0\0\0");
            record.extend(end.to_le_bytes());
            record.extend(1_u32.to_le_bytes());
            self.put(&record)?;
        }
        let count = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        let mut record = b"PK\x05\x06\0\0\0\0".to_vec();
        record.extend([count, count].concat());
        record.extend(small(size).to_le_bytes());
        record.extend(small(start).to_le_bytes());
        record.extend([0; 2]); // no comment
        self.put(&record)?;
        self.output.flush()
    }
}

/// The version of the format that knows sizes of 64 bits.
const VERSION: u16 = 45;

impl Member {
    /// What both places say of a member, up to the length of its name.
    fn description(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.extend([0; 4]); // no flags, not compressed
        bytes.extend([0, 0, 0x21, 0]); // 1 January 1980: equal weights are equal files
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(small(self.size).to_le_bytes());
        bytes.extend(small(self.size).to_le_bytes());
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes
    }
}

/// A number where it has 32 bits.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

/// The field for numbers of 64 bits.
fn wide(numbers: &[u64]) -> Vec<u8> {
    let mut field = 1_u16.to_le_bytes().to_vec();
    field.extend(((8 * numbers.len()) as u16).to_le_bytes());
    numbers.iter().for_each(|number| field.extend(number.to_le_bytes()));
    field
}

/// The pickle, of protocol 2: an ordered dictionary of names and tensors.
fn pickle(shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut code = Code(vec![0x80, 2]);
    code.global("collections", "OrderedDict");
    code.0.extend(b")R("); // no arguments, called; then what it holds
    for (index, (name, shape)) in shapes.iter().enumerate() {
        let n_values: usize = shape.iter().product();
        code.text(name);
        code.global("torch._utils", "_rebuild_tensor_v2");
        code.0.extend(b"(("); // arguments, the first of which is the name of a storage
        code.text("storage");
        code.global("torch", "FloatStorage");
        code.text(&index.to_string());
        code.text("cpu");
        code.whole(n_values);
        code.0.extend(b"tQ"); // a tuple, and what the loader has under it
        code.whole(0);
        code.tuple(shape);
        code.tuple(&strides(shape));
        code.0.push(0x89); // no gradient
        code.global("collections", "OrderedDict");
        code.0.extend(b")RtR"); // no hooks; the arguments, called
    }
    code.0.extend(b"u."); // into the dictionary, which is all
    code.0
}

/// Numbers from one entry of an axis to the next.
fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}

/// Instructions of a pickle.
struct Code(Vec<u8>);

impl Code {
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn whole(&mut self, number: usize) {
        match i32::try_from(number) {
            Ok(number) => {
                self.0.push(b'J');
                self.0.extend(number.to_le_bytes());
            }
            // One byte of zeros above it, since the number is signed.
            Err(_) => {
                self.0.extend([0x8a, 9]);
                self.0.extend((number as u64).to_le_bytes());
                self.0.push(0);
            }
        }
    }

    fn tuple(&mut self, numbers: &[usize]) {
        self.0.push(b'(');
        numbers.iter().for_each(|&number| self.whole(number));
        self.0.push(b't');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_four_gigabytes_are_said_in_64_bits() {
        // A list of members behind a place that 32 bits do not reach; the numbers themselves are never written.
        let mut archive = Archive { output: Vec::new(), at: 5 << 30, members: Vec::new() };
        archive.member("data/0", &[7; 8]).unwrap();
        let Archive { output, at, members } = archive;
        let mut end = Vec::new();
        Archive { output: &mut end, at, members }.finish().unwrap();
        let field = wide(&[5 << 30]);
        assert!(end.windows(field.len()).any(|window| window == field));
        assert!(end.windows(4).any(|window| window == b"PK\x06\x06"));
        assert!(end.windows(4).any(|window| window == b"PK\x06\x07"));
        assert_eq!(output.len() as u64 + (5 << 30), at);
        assert_eq!(at % ALIGNMENT, 8, "numbers begin at a multiple");
    }
}
