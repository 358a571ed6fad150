//! Zip archives in the layout of StyleGAN's and EDM's dataset tools.
//!
//! Pictures in any folders, and a `dataset.json` holding
//! `{"labels": [["00000/img00000000.png", 6], ...]}`; `labels` may be null or absent, and a list
//! `classes` may name the classes.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use serde::Deserialize;

use super::archive::{Archive, Entry, is_hidden};
use super::decode::{MAX_ENCODED, has_picture_suffix, upright_size};
use super::fingerprint::Fingerprint;
use super::image_set::{PictureReader, Pictures};
use super::{DataError, Pixels};

/// An index of a million files is about 40 MiB.
const MAX_INDEX: u64 = 512 << 20;

/// Lists the pictures of an archive in the order of their names.
pub(super) fn open(path: &Path) -> Result<Pictures, DataError> {
    let archive = Archive::open(path)?;
    let visible: Vec<&Entry> = archive.entries().iter().filter(|entry| !is_hidden(&entry.name)).collect();
    let mut entries: Vec<Entry> =
        visible.iter().copied().filter(|entry| has_picture_suffix(&entry.name)).cloned().collect();
    let index_entry = archive.find("dataset.json");
    let n_ignored = visible.len() - entries.len() - usize::from(index_entry.is_some());
    if entries.is_empty() {
        return Err(DataError::Empty { path: path.to_path_buf(), ignored: n_ignored });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let index = match index_entry {
        Some(entry) => read_index(&archive, entry)?,
        None => Index::default(),
    };
    let labels = match index.labels {
        Some(labels) => Some(labels_in_order(&archive, &entries, labels)?),
        None => None,
    };
    let class_names = index.classes.filter(|_| labels.is_some()).unwrap_or_default();
    let reader = Box::new(ZipPictures { archive, entries });
    Ok(Pictures { reader, labels, class_names, n_ignored })
}

#[derive(Default, Deserialize)]
struct Index {
    labels: Option<Vec<(String, u32)>>,
    classes: Option<Vec<String>>,
}

fn read_index(archive: &Archive, entry: &Entry) -> Result<Index, DataError> {
    let text = archive.read(entry, MAX_INDEX)?;
    serde_json::from_slice(&text).map_err(|error| {
        let reason = format!("expected `{{\"labels\": [[\"file\", class number], ...]}}` or null: {error}");
        DataError::labels(archive.full_name(entry), reason)
    })
}

fn labels_in_order(
    archive: &Archive,
    entries: &[Entry],
    labels: Vec<(String, u32)>,
) -> Result<Vec<usize>, DataError> {
    let label_of: HashMap<String, u32> =
        labels.into_iter().map(|(name, label)| (name.replace('\\', "/"), label)).collect();
    let label = |entry: &Entry| match label_of.get(&entry.name) {
        Some(&label) => Ok(label as usize),
        None => {
            let reason = "`dataset.json` gives labels, but none for this image";
            Err(DataError::labels(archive.full_name(entry), reason))
        }
    };
    entries.iter().map(label).collect()
}

struct ZipPictures {
    archive: Archive,
    entries: Vec<Entry>,
}

impl PictureReader for ZipPictures {
    fn len(&self) -> usize {
        self.entries.len()
    }

    /// As in a folder: a few grey pictures among many do not make the set grey.
    fn channels(&self) -> usize {
        3
    }

    fn uniform_size(&self) -> Option<(usize, usize)> {
        None
    }

    fn size(&self, index: usize) -> Result<(usize, usize), DataError> {
        let encoded = self.archive.read(&self.entries[index], MAX_ENCODED)?;
        upright_size(Cursor::new(encoded), &self.source(index))
    }

    fn pixels(&self, index: usize) -> Result<Pixels, DataError> {
        let encoded = self.archive.read(&self.entries[index], MAX_ENCODED)?;
        Pixels::decode(&encoded, &self.source(index))
    }

    fn source(&self, index: usize) -> String {
        self.archive.full_name(&self.entries[index])
    }

    /// The archive's directory has a checksum of what is in it.
    fn digest(&self, index: usize, hasher: &mut Fingerprint) {
        let entry = &self.entries[index];
        hasher.bytes(entry.name.as_bytes());
        hasher.number(entry.size as usize);
        hasher.number(entry.crc as usize);
    }
}
