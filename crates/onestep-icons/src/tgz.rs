//! The files of an npm package that matter, out of its archive.

use std::io::Read;

use flate2::read::GzDecoder;
use tar::Archive;

use crate::IconError;

/// What all files of a package unpack to at most: the largest that is read has 104 MB.
const MAX_UNPACKED: u64 = 256 << 20;

/// How many files a package has at most; those that are read have ten.
const MAX_FILES: usize = 1000;

/// The files that are read.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// `icons.json`: the drawings.
    pub icons: Vec<u8>,
    /// `metadata.json`: their categories; empty where the package has none.
    pub metadata: Vec<u8>,
    /// `chars.json`: their code points; empty where the package has none.
    pub chars: Vec<u8>,
}

/// Unpacks what is read of a package, in memory; no name in it is ever a path of this system.
pub(crate) fn unpack(tgz: &[u8], package: &str) -> Result<Files, IconError> {
    let failed = |reason: String| IconError::Archive { package: package.to_owned(), reason };
    let mut unpacked = GzDecoder::new(tgz).take(MAX_UNPACKED);
    let mut files = Files::default();
    {
        let mut archive = Archive::new(&mut unpacked);
        let entries = archive.entries().map_err(|error| failed(error.to_string()))?;
        for (n, entry) in entries.enumerate() {
            let mut entry = entry.map_err(|error| failed(error.to_string()))?;
            if n == MAX_FILES {
                return Err(failed(format!("it has over {MAX_FILES} files")));
            }
            let to = match &*entry.path_bytes() {
                b"package/icons.json" => &mut files.icons,
                b"package/metadata.json" => &mut files.metadata,
                b"package/chars.json" => &mut files.chars,
                _ => continue,
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !entry.header().entry_type().is_file() {
                return Err(failed(format!("{name} is no plain file")));
            }
            if !to.is_empty() {
                return Err(failed(format!("it has {name} twice")));
            }
            let size = entry.size();
            entry.read_to_end(to).map_err(|error| failed(format!("{name}: {error}")))?;
            if to.len() as u64 != size {
                return Err(failed(format!(
                    "{name} is cut short, or unpacks to over {} MiB",
                    MAX_UNPACKED >> 20
                )));
            }
        }
    }
    if unpacked.limit() == 0 {
        return Err(failed(format!("it unpacks to over {} MiB", MAX_UNPACKED >> 20)));
    }
    // What is behind the last file, the checksum before all.
    std::io::copy(&mut unpacked, &mut std::io::sink()).map_err(|error| failed(error.to_string()))?;
    if files.icons.is_empty() {
        return Err(failed("it has no package/icons.json".to_owned()));
    }
    Ok(files)
}
