//! What tells one set of images from another.

use sha2::{Digest, Sha256};

/// A SHA-256 over fields that cannot run into each other.
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(super) fn new(kind: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.bytes(kind.as_bytes());
        hasher
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    pub(super) fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    pub(super) fn finish(self) -> String {
        crate::digest::format(&self.0.finalize())
    }

    /// The digest as it is, to be a field of another.
    pub(super) fn finish_bytes(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
