//! The bytes of many images: in memory, or in a file where they would fill it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
#[cfg(feature = "formats")]
use std::io::{BufWriter, Write};
use std::sync::{Mutex, PoisonError};

/// The most bytes that are taken into memory.
#[cfg(feature = "formats")]
const IN_MEMORY: u64 = 1 << 30;

/// Bytes that can be read in any order.
pub(super) enum Store {
    /// All of them here.
    Memory(Vec<u8>),
    /// Where they lie.
    #[cfg_attr(not(feature = "formats"), allow(dead_code, reason = "what is built in lies in memory"))]
    File(FilePart),
}

/// A part of a file.
pub(super) struct FilePart {
    /// The file.
    pub(super) file: Mutex<File>,
    /// Its first byte.
    pub(super) start: u64,
    /// How many bytes it has.
    pub(super) n_bytes: u64,
}

/// Whether so many bytes are better left in a file.
#[cfg(feature = "formats")]
pub(super) fn is_large(n_bytes: u64) -> bool {
    n_bytes > IN_MEMORY
}

impl Store {
    pub(super) fn n_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(part) => part.n_bytes,
        }
    }

    /// Reads `n_bytes` from `start` on.
    pub(super) fn read(&self, start: u64, n_bytes: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => Ok(bytes[start as usize..][..n_bytes].to_vec()),
            Self::File(part) => {
                // A panic elsewhere leaves nothing half done here: each read seeks first.
                let mut file = part.file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut bytes = vec![0; n_bytes];
                file.seek(SeekFrom::Start(part.start + start))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

impl From<Vec<u8>> for Store {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes)
    }
}

/// Takes bytes one after another, in memory or, where they will be many, in a temporary file that goes when it is closed.
#[cfg(feature = "formats")]
pub(super) enum StoreWriter {
    /// Here.
    Memory(Vec<u8>),
    /// There.
    File(BufWriter<File>),
}

#[cfg(feature = "formats")]
impl StoreWriter {
    /// For so many bytes.
    pub(super) fn new(n_bytes: u64) -> io::Result<Self> {
        if is_large(n_bytes) {
            return Ok(Self::File(BufWriter::with_capacity(1 << 20, tempfile::tempfile()?)));
        }
        // Address space alone until bytes come, however many were promised.
        Ok(Self::Memory(Vec::with_capacity(n_bytes as usize)))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(memory) => memory.extend_from_slice(bytes),
            Self::File(file) => file.write_all(bytes)?,
        }
        Ok(())
    }

    /// What was written.
    pub(super) fn finish(self) -> io::Result<Store> {
        match self {
            Self::Memory(bytes) => Ok(Store::Memory(bytes)),
            Self::File(file) => {
                let mut file = file.into_inner().map_err(|error| error.into_error())?;
                let n_bytes = file.stream_position()?;
                Ok(Store::File(FilePart { file: Mutex::new(file), start: 0, n_bytes }))
            }
        }
    }
}
