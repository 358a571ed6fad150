//! A folder of images, of folders that are classes, or of anything that [`Tree`] makes sense of.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::decode::{read_encoded, upright_size};
use super::fingerprint::Fingerprint;
use super::image_set::{PictureReader, Pictures};
use super::label_index::MAX_INDEX;
use super::tree::Tree;
use super::walk::Walk;
use super::{DataError, DataSpec, Pixels};
use crate::digest::Digesting;
use crate::file;

/// Lists the images below a folder, of one part where there are several, and finds out their classes.
pub(super) fn open(root: &Path, spec: &DataSpec) -> Result<Pictures, DataError> {
    let Walk { pictures, indexes, passed_over, .. } = Walk::below(root)?;
    if pictures.is_empty() {
        return Err(DataError::Empty { path: root.to_path_buf(), passed_over });
    }
    let tree = Tree {
        name: root.display().to_string(),
        pictures: pictures.iter().map(|path| slashed(path)).collect(),
        indexes: indexes.iter().map(|path| slashed(path)).collect(),
    };
    let read = |place: usize| read_index(&root.join(&indexes[place]));
    let arranged = tree.arrange(spec, read, |path| root.join(path).display().to_string())?;
    let files = arranged.chosen.iter().map(|&place| pictures[place].clone()).collect();
    let reader = Box::new(Folder { root: root.to_path_buf(), files });
    Ok(Pictures { reader, labels: arranged.labels, class_names: arranged.class_names, passed_over })
}

/// A path with forward slashes; what is no Unicode in it is replaced, so it is for reading and not for opening.
fn slashed(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn read_index(path: &Path) -> Result<Vec<u8>, DataError> {
    let read_error = |error| DataError::read(path, error);
    let mut text = Vec::new();
    file::open(path).and_then(|file| file.take(MAX_INDEX + 1).read_to_end(&mut text)).map_err(read_error)?;
    if text.len() as u64 > MAX_INDEX {
        let reason = format!("it is an index of more than {} MiB", MAX_INDEX >> 20);
        return Err(DataError::refused(path.display().to_string(), reason));
    }
    Ok(text)
}

struct Folder {
    root: PathBuf,
    /// By their paths from the root.
    files: Vec<PathBuf>,
}

impl Folder {
    fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.files[index])
    }
}

impl PictureReader for Folder {
    fn len(&self) -> usize {
        self.files.len()
    }

    /// Collections often hold a few grey pictures among many in color, so a folder is in color.
    fn channels(&self) -> usize {
        3
    }

    fn uniform_size(&self) -> Option<(usize, usize)> {
        None
    }

    fn size(&self, index: usize) -> Result<(usize, usize), DataError> {
        let path = self.path(index);
        let file = file::open(&path).map_err(|error| DataError::read(&path, error))?;
        upright_size(BufReader::new(file), &path.display().to_string())
    }

    fn pixels(&self, index: usize) -> Result<Pixels, DataError> {
        let path = self.path(index);
        Pixels::decode(&read_encoded(&path)?, &path.display().to_string())
    }

    fn source(&self, index: usize) -> String {
        self.path(index).display().to_string()
    }

    /// A file that cannot be read differs from every one that can.
    fn digest(&self, index: usize, hasher: &mut Fingerprint) {
        let parts = &self.files[index];
        hasher.number(parts.iter().count());
        parts.iter().for_each(|part| hasher.bytes(part.as_encoded_bytes()));
        hasher.bytes(digest_of_file(&self.path(index)).unwrap_or_default().as_bytes());
    }
}

fn digest_of_file(path: &Path) -> io::Result<String> {
    let mut contents = Digesting::new(file::open(path)?);
    io::copy(&mut contents, &mut io::sink())?;
    Ok(contents.hex())
}
