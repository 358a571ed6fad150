//! Zip archives of pictures: EDM's and StyleGAN's sets, and folders that somebody packed.

use std::io::{Cursor, Read};
use std::path::Path;

use super::archive::{Archive, Entry};
use super::decode::{START_LEN, has_picture_suffix, is_picture_start, upright_size};
use super::fingerprint::Fingerprint;
use super::image_set::{PictureReader, Pictures};
use super::label_index::{self, MAX_INDEX};
use super::passed_over::{PassedOver, PassedOverReason, is_hidden};
use super::picture_header::MAX_ENCODED;
use super::tree::Tree;
use super::{DataError, DataSpec, Pixels};

/// Lists the pictures of an archive in the order of their names, of one part where there are several, and finds out their
/// classes.
pub(super) fn open(path: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    let archive = Archive::open(path)?;
    let mut entries: Vec<Entry> = archive.entries().to_vec();
    entries.sort_by(|a, b| a.name.split('/').cmp(b.name.split('/')));
    let (mut pictures, mut indexes, mut passed_over) = (Vec::new(), Vec::new(), PassedOver::default());
    for entry in entries {
        let name = entry.name.rsplit('/').next().unwrap_or_default();
        if entry.name.split('/').any(is_hidden) {
            passed_over.add(PassedOverReason::Hidden, entry.name);
        } else if name == label_index::FILE_NAME {
            indexes.push(entry);
        } else if has_picture_suffix(name) || (!name.contains('.') && begins_like_picture(&archive, &entry)) {
            pictures.push(entry);
        } else {
            passed_over.add(PassedOverReason::NoPicture, entry.name);
        }
    }
    if pictures.is_empty() {
        return Err(DataError::Empty { path: path.to_path_buf(), passed_over });
    }
    let names = |entries: &[Entry]| entries.iter().map(|entry| entry.name.clone()).collect();
    let tree =
        Tree { name: path.display().to_string(), pictures: names(&pictures), indexes: names(&indexes) };
    let read = |place: usize| archive.read(&indexes[place], MAX_INDEX);
    let arranged = tree.arrange(spec, read, |name| format!("{}:{name}", path.display()))?;
    let entries = arranged.chosen.iter().map(|&place| pictures[place].clone()).collect();
    let reader = Box::new(ZipPictures { archive, entries });
    Ok(Pictures { reader, labels: arranged.labels, class_names: arranged.class_names, passed_over })
}

/// An entry that cannot be read does not.
fn begins_like_picture(archive: &Archive, entry: &Entry) -> bool {
    let start = archive.with_reader(entry, |reader| {
        let mut start = Vec::new();
        reader.take(START_LEN).read_to_end(&mut start)?;
        Ok(start)
    });
    start.is_ok_and(|start| is_picture_start(&start))
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
