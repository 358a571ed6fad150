use sha2::{Digest, Sha256};

use super::{Dataset, Sample};

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
}

/// The fingerprint of all samples but those of these numbers; of one that cannot be read there is only that.
pub(super) fn of_samples<D: Dataset + ?Sized>(data: &D, left_out: &[usize]) -> String {
    let mut hasher = Fingerprint::new("samples");
    for name in data.class_names() {
        hasher.bytes(name.as_bytes());
    }
    for index in (0..data.len()).filter(|index| !left_out.contains(index)) {
        match data.sample(index) {
            Ok(Sample { values, label }) => {
                hasher.number(label.map_or(0, |label| label + 1));
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                hasher.bytes(&bytes);
            }
            Err(_) => hasher.bytes(b"unreadable"),
        }
    }
    hasher.finish()
}
