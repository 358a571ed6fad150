//! SHA-256 as hexadecimal text: how files, recipes and data sets are told apart.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// The digest of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    format(&Sha256::digest(bytes))
}

/// A finished digest as text.
pub(crate) fn format(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reader or writer that digests every byte on its way.
#[derive(Debug)]
pub(crate) struct Digesting<T> {
    pub inner: T,
    state: Sha256,
}

impl<T> Digesting<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, state: Sha256::new() }
    }

    /// The digest so far, in hexadecimal.
    pub(crate) fn hex(self) -> String {
        format(&self.state.finalize())
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
