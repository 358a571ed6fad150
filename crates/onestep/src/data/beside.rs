//! Files that cannot say whose they are, and what the JSON beside them says of them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::DataError;
use crate::digest::Digesting;
use crate::file;

/// What the JSON beside a file that has no place for it (an npz, a csv, a GIF, an SVG) says under `files`, so that
/// [`Outputs`](super::Outputs) knows it for ours: its name, and its SHA-256 in hexadecimal.
///
/// # Errors
///
/// [`DataError::Read`] if it cannot be read.
pub fn named_beside(path: &Path) -> Result<BTreeMap<String, String>, DataError> {
    let digest = sha256(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    Ok(BTreeMap::from([(name(path), digest)]))
}

/// Whether JSON beside a file names it, as it is now.
pub(super) fn is_named(path: &Path, files: &BTreeMap<String, String>) -> bool {
    let said = files.get(&name(path));
    said.is_some() && sha256(path).ok().as_ref() == said
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut digesting = Digesting::new(io::sink());
    io::copy(&mut file::open(path)?, &mut digesting)?;
    Ok(digesting.hex())
}
