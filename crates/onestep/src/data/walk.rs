//! What lies in a folder and in the folders in it.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::DataError;
use super::decode::{START_LEN, has_picture_suffix, is_picture_start};
use super::label_index;
use super::passed_over::{PassedOver, PassedOverReason, is_hidden};
use crate::file;

/// As many as an archive may hold.
const MAX_ENTRIES: usize = 4_000_000;

/// More folders within folders than anybody sorts pictures into.
const MAX_DEPTH: usize = 100;

/// The files below a folder, by their paths from it, in the order of their names.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) pictures: Vec<PathBuf>,
    /// Everything called `dataset.json`.
    pub(super) indexes: Vec<PathBuf>,
    pub(super) passed_over: PassedOver,
    n_entries: usize,
    /// Where the folders from the root to the one that is listed really lie.
    way: Vec<PathBuf>,
}

impl Walk {
    /// Lists everything below `root`. Links are followed wherever they lead, except in circles; nothing that is no regular
    /// file is opened.
    pub(super) fn below(root: &Path) -> Result<Self, DataError> {
        let read_error = |error| DataError::read(root, error);
        let mut walk = Self { way: vec![fs::canonicalize(root).map_err(read_error)?], ..Self::default() };
        let entries = sorted_entries(root).map_err(read_error)?;
        walk.list(root, Path::new(""), entries)?;
        Ok(walk)
    }

    fn list(&mut self, root: &Path, folder: &Path, names: Vec<PathBuf>) -> Result<(), DataError> {
        self.n_entries += names.len();
        if self.n_entries > MAX_ENTRIES || self.way.len() > MAX_DEPTH {
            let reason = format!("it holds over {MAX_ENTRIES} files, or folders over {MAX_DEPTH} deep");
            return Err(DataError::refused(root.display().to_string(), reason));
        }
        for name in names {
            let place = folder.join(&name);
            match Entry::find(&root.join(&place), &name.to_string_lossy()) {
                Entry::Picture => self.pictures.push(place),
                Entry::Index => self.indexes.push(place),
                Entry::Folder => self.enter(root, &place)?,
                Entry::None(reason) => self.passed_over.add(reason, place.display().to_string()),
            }
        }
        Ok(())
    }

    fn enter(&mut self, root: &Path, folder: &Path) -> Result<(), DataError> {
        let path = root.join(folder);
        let name = folder.display().to_string();
        let found = fs::canonicalize(&path).and_then(|real| Ok((real, sorted_entries(&path)?)));
        match found {
            Ok((real, _)) if self.way.contains(&real) => {
                self.passed_over.add(PassedOverReason::CircularLink, name)
            }
            Ok((real, entries)) => {
                self.way.push(real);
                self.list(root, folder, entries)?;
                self.way.pop();
            }
            Err(_) => self.passed_over.add(PassedOverReason::Unreadable, name),
        }
        Ok(())
    }
}

fn sorted_entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| PathBuf::from(entry.file_name()));
    let mut names = fs::read_dir(folder)?.map(name).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

enum Entry {
    Picture,
    Index,
    Folder,
    None(PassedOverReason),
}

impl Entry {
    fn find(path: &Path, name: &str) -> Self {
        if is_hidden(name) {
            return Self::None(PassedOverReason::Hidden);
        }
        let kind = match fs::metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Self::None(PassedOverReason::Unreadable);
            }
            // What was listed and is not there is a link, or was removed this moment.
            Err(_) => return Self::None(PassedOverReason::BrokenLink),
        };
        if kind.is_dir() {
            Self::Folder
        } else if !kind.is_file() {
            Self::None(PassedOverReason::NoFile)
        } else if name == label_index::FILE_NAME {
            Self::Index
        } else if has_picture_suffix(name) {
            Self::Picture
        } else if name.contains('.') {
            Self::None(PassedOverReason::NoPicture)
        } else {
            match start_of(path) {
                Ok(start) if is_picture_start(&start) => Self::Picture,
                Ok(_) => Self::None(PassedOverReason::NoPicture),
                Err(_) => Self::None(PassedOverReason::Unreadable),
            }
        }
    }
}

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file::open(path)?.take(START_LEN).read_to_end(&mut start)?;
    Ok(start)
}
