//! SHA-256 of what flows past.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// A reader or writer that digests every byte on its way.
#[derive(Debug)]
pub(super) struct Digesting<T> {
    pub inner: T,
    state: Sha256,
}

impl<T> Digesting<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, state: Sha256::new() }
    }

    /// The digest so far, in hexadecimal.
    pub(super) fn hex(self) -> String {
        hex(&self.state.finalize())
    }
}

impl<T: Read> Read for Digesting<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.state.update(&buffer[..n]);
        Ok(n)
    }
}

impl<T: Write> Write for Digesting<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.state.update(&buffer[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
