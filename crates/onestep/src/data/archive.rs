//! A zip archive whose directory has been looked through before anything is read from it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ::zip::result::ZipError;
use ::zip::{CompressionMethod, ZipArchive};

use super::DataError;
use crate::file;

/// Three times as many as the largest image set in common use.
const MAX_ENTRIES: usize = 4_000_000;

/// More than the format can pack into one byte: an entry that says more lies.
const MAX_RATIO: u64 = 1040;

/// One open archive; entries are read into memory, one at a time, never to disk.
pub(super) struct Archive {
    path: PathBuf,
    // A second handle for each thread would cost a second copy of the directory; reading a stored
    // entry is short next to decoding it, which happens outside the lock.
    file: Mutex<ZipArchive<BufReader<File>>>,
    entries: Vec<Entry>,
}

/// One file in an archive.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The name with forward slashes.
    pub(super) name: String,
    /// The size it unpacks to, checked against what is read.
    pub(super) size: u64,
    /// The checksum the directory gives.
    pub(super) crc: u32,
    index: usize,
}

impl Archive {
    /// Opens an archive and checks all its entries.
    ///
    /// Refused are: more than four million entries, names that occur twice, climb out (`..`), are
    /// absolute or hold a NUL, links, encryption, entries that say they unpack to more than they can, and entries that
    /// overlap. How much is unpacked is bounded by whoever reads an entry: drawings pack to less than a hundredth.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let name = path.display().to_string();
        let file = file::open(path).map_err(|error| DataError::read(path, error))?;
        let file_len = file.metadata().map_err(|error| DataError::read(path, error))?.len();
        let start = file::start(path).map_err(|error| DataError::read(path, error))?;
        if let Some(what) = file::foreign(&start) {
            return Err(DataError::unsupported(name, what));
        }
        let archive = file::open_zip(BufReader::new(file)).map_err(|e| zip_error(path, &name, e))?;
        if archive.len() > MAX_ENTRIES {
            let reason = format!("it has {} entries, over {MAX_ENTRIES}", archive.len());
            return Err(DataError::refused(name, reason));
        }
        if archive.has_duplicate_names() {
            return Err(DataError::refused(name, "two of its entries have the same name"));
        }
        let mut entries = Vec::with_capacity(archive.len());
        let mut n_packed: u64 = 0;
        for index in 0..archive.len() {
            let file = archive.by_index_data(index).map_err(|e| zip_error(path, &name, e))?;
            if file.is_dir() {
                continue;
            }
            let entry_name = file.name().map_err(|e| zip_error(path, &name, e))?.replace('\\', "/");
            let full_name = format!("{name}:{entry_name}");
            n_packed = n_packed.saturating_add(file.compressed_size());
            if let Some(reason) = bad_name(&entry_name) {
                return Err(DataError::refused(full_name, reason));
            } else if file.is_symlink() {
                return Err(DataError::refused(full_name, "it is a symbolic link"));
            } else if file.encrypted() {
                return Err(DataError::unsupported(full_name, "encrypted entries are not read"));
            } else if file.size() > file.compressed_size().saturating_mul(MAX_RATIO) {
                let reason = format!(
                    "it says that its {} bytes unpack to {}, which is impossible",
                    file.compressed_size(),
                    file.size()
                );
                return Err(DataError::refused(full_name, reason));
            }
            entries.push(Entry { name: entry_name, size: file.size(), crc: file.crc32(), index });
        }
        if n_packed > file_len {
            return Err(DataError::refused(name, "its entries overlap"));
        }
        // Backslashes become slashes, so names that differ on paper may be one name after all.
        let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let full_name = format!("{name}:{}", pair[0]);
            return Err(DataError::refused(full_name, "two entries have this name"));
        }
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(archive), entries })
    }

    /// The file of the archive.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the bytes of an entry begin in that file, if they were not packed.
    pub(super) fn place(&self, entry: &Entry) -> Result<Option<u64>, DataError> {
        let mut archive = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error| zip_error(&self.path, &self.full_name(entry), error);
        let file = archive.by_index(entry.index).map_err(failed)?;
        Ok(file.data_start().filter(|_| file.compression() == CompressionMethod::Stored))
    }

    /// All files, in the order of the directory.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file of exactly this name.
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// What to call an entry in a message.
    pub(super) fn full_name(&self, entry: &Entry) -> String {
        format!("{}:{}", self.path.display(), entry.name)
    }

    /// Unpacks an entry of at most `limit` bytes; size and checksum are verified.
    pub(super) fn read(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, DataError> {
        if entry.size > limit {
            let reason = format!("it unpacks to {} MiB, over {}", entry.size >> 20, limit >> 20);
            return Err(DataError::refused(self.full_name(entry), reason));
        }
        let bytes = self.with_reader(entry, |reader| {
            let mut bytes = Vec::new();
            // One byte more than promised: it must not come, and asking for it runs the checksum.
            reader.take(entry.size + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        })?;
        if bytes.len() as u64 != entry.size {
            let reason = format!("the entry has {} bytes, its header says {}", bytes.len(), entry.size);
            return Err(DataError::damaged(self.full_name(entry), reason));
        }
        Ok(bytes)
    }

    /// Runs `body` over the unpacked bytes of an entry; failures are blamed on the entry.
    pub(super) fn with_reader<T>(
        &self,
        entry: &Entry,
        body: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, DataError> {
        // A panic elsewhere leaves nothing half done here: each read seeks first.
        let mut archive = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.full_name(entry);
        let mut file = archive.by_index(entry.index).map_err(|e| zip_error(&self.path, &name, e))?;
        body(&mut file).map_err(|e| zip_error(&self.path, &name, ZipError::Io(e)))
    }
}

/// Why a name is not one that an archive of images has.
pub(super) fn bad_name(name: &str) -> Option<&'static str> {
    let has_drive = name.as_bytes().get(1) == Some(&b':');
    if name.split(['/', '\\']).any(|part| part == "..") {
        Some("the name climbs out of the archive with `..`")
    } else if name.starts_with(['/', '\\']) || has_drive {
        Some("the name is an absolute path")
    } else if name.contains('\0') {
        Some("the name holds a NUL character")
    } else {
        None
    }
}

/// A failing disk is a read error; everything else is the archive's fault.
fn zip_error(path: &Path, name: &str, error: ZipError) -> DataError {
    match error {
        ZipError::Io(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Other
            ) =>
        {
            DataError::read(path, error)
        }
        error => DataError::damaged(name, error.to_string()),
    }
}
