//! Bytes that are gone through once, of which the long stretches are remembered by their place and not read.
//!
//! Errors are sentences about the file, such as "it ends too early".

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes read from a file at a time.
const BUFFER: usize = 16 << 10;

/// A stretch of bytes, by its place in what an [`Input`] was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Span {
    /// The byte after the last.
    pub(crate) fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// Bytes of a file or of memory, from a first to a last one.
///
/// No length is believed before it has been compared with what is left, so that no more memory is taken than there are bytes.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    source: Source<'a>,
    position: u64,
    end: u64,
    /// Bytes of the file that were read ahead, and where they lie in it.
    buffer: Vec<u8>,
    buffer_start: u64,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Memory(&'a [u8]),
    File(&'a File),
}

/// What is said of bytes that are not all there.
pub(crate) const EARLY: &str = "it ends too early";

impl<'a> Input<'a> {
    /// Bytes in memory.
    pub(crate) fn memory(bytes: &'a [u8]) -> Self {
        Self::new(Source::Memory(bytes), 0, bytes.len() as u64)
    }

    /// The first `length` bytes of a file, which has at least as many.
    pub(crate) fn file(file: &'a File, length: u64) -> Self {
        Self::new(Source::File(file), 0, length)
    }

    fn new(source: Source<'a>, position: u64, end: u64) -> Self {
        Self { source, position, end, buffer: Vec::new(), buffer_start: 0 }
    }

    /// A stretch of the same bytes, which is gone through on its own.
    pub(crate) fn section(&self, span: Span) -> Result<Self, String> {
        if span.end() > self.end {
            return Err(EARLY.to_owned());
        }
        Ok(Self::new(self.source, span.start, span.end()))
    }

    /// Number of bytes from here on.
    pub(crate) fn left(&self) -> u64 {
        self.end - self.position
    }

    /// Passes over bytes and says where they lie.
    pub(crate) fn skip(&mut self, length: u64) -> Result<Span, String> {
        if length > self.left() {
            return Err(EARLY.to_owned());
        }
        let span = Span { start: self.position, length };
        self.position += length;
        Ok(span)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    /// The next few bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    /// The next bytes, in memory of their own.
    pub(crate) fn bytes(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let length = usize::try_from(length).ok().filter(|&length| length as u64 <= self.left());
        let mut bytes = vec![0; length.ok_or(EARLY)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// An unsigned little-endian number of at most eight bytes.
    pub(crate) fn little_endian(&mut self, n_bytes: usize) -> Result<u64, String> {
        let mut wide = [0; 8];
        self.fill(&mut wide[..n_bytes])?;
        Ok(u64::from_le_bytes(wide))
    }

    /// An unsigned big-endian number of at most eight bytes.
    pub(crate) fn big_endian(&mut self, n_bytes: usize) -> Result<u64, String> {
        let mut wide = [0; 8];
        self.fill(&mut wide[8 - n_bytes..])?;
        Ok(u64::from_be_bytes(wide))
    }

    /// Bytes up to the next of this kind, which is passed over; an error where there are more than `most` of them.
    pub(crate) fn until(&mut self, stop: u8, most: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        while bytes.len() <= most {
            match self.byte()? {
                byte if byte == stop => return Ok(bytes),
                byte => bytes.push(byte),
            }
        }
        Err(format!("it has a name of over {most} bytes"))
    }

    fn fill(&mut self, mut target: &mut [u8]) -> Result<(), String> {
        if target.len() as u64 > self.left() {
            return Err(EARLY.to_owned());
        }
        match self.source {
            Source::Memory(bytes) => {
                let start = self.position as usize;
                target.copy_from_slice(&bytes[start..start + target.len()]);
                self.position += target.len() as u64;
                return Ok(());
            }
            Source::File(mut file) if target.len() >= BUFFER => {
                let read = file.seek(SeekFrom::Start(self.position)).and_then(|_| file.read_exact(target));
                read.map_err(|error| unreadable(&error))?;
                self.position += target.len() as u64;
                return Ok(());
            }
            Source::File(_) => {}
        }
        while !target.is_empty() {
            let ahead = self.ahead()?;
            let n_bytes = ahead.len().min(target.len());
            target[..n_bytes].copy_from_slice(&ahead[..n_bytes]);
            target = &mut target[n_bytes..];
            self.position += n_bytes as u64;
        }
        Ok(())
    }

    /// Bytes of the file from the position on, as many as were read ahead.
    fn ahead(&mut self) -> Result<&[u8], String> {
        let offset = self.position.checked_sub(self.buffer_start);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        if let Some(offset) = offset.filter(|&offset| offset < self.buffer.len()) {
            return Ok(&self.buffer[offset..]);
        }
        let Source::File(mut file) = self.source else { return Err(EARLY.to_owned()) };
        let length = self.left().min(BUFFER as u64);
        self.buffer.clear();
        self.buffer_start = self.position;
        let read = file
            .seek(SeekFrom::Start(self.position))
            .and_then(|_| file.take(length).read_to_end(&mut self.buffer));
        match read {
            Ok(0) => Err(EARLY.to_owned()),
            Ok(_) => Ok(&self.buffer),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("the system cannot read it ({error})")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_gives_what_memory_gives() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        for mut input in [Input::memory(&bytes), Input::file(&file, bytes.len() as u64)] {
            assert_eq!(input.bytes(30_000).unwrap(), bytes[..30_000]);
            assert_eq!(input.skip(40_000).unwrap(), Span { start: 30_000, length: 40_000 });
            assert_eq!(input.array::<3>().unwrap(), bytes[70_000..70_003]);
            let mut section = input.section(Span { start: 5, length: 10 }).unwrap();
            assert_eq!(section.bytes(10).unwrap(), bytes[5..15]);
            assert!(section.byte().is_err() && section.left() == 0);
            let wide = u64::from_le_bytes(bytes[70_003..70_011].try_into().unwrap());
            assert_eq!(input.little_endian(8).unwrap(), wide);
            let narrow = u64::from(u16::from_be_bytes([bytes[70_011], bytes[70_012]]));
            assert_eq!(input.big_endian(2).unwrap(), narrow);
            assert!(input.bytes(u64::MAX).is_err() && input.skip(29_988).is_err());
            assert!(input.section(Span { start: u64::MAX, length: 2 }).is_err());
            assert_eq!(input.left(), bytes.len() as u64 - 70_013);
        }
    }
}
