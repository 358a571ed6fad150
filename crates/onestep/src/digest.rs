//! SHA-256 as hexadecimal text: how files, recipes and data sets are told apart.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The digest of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    format(&Sha256::digest(bytes))
}

/// The digest of a file's contents.
///
/// # Errors
///
/// What reading the file meets.
pub fn file(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format(&digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

fn format(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
