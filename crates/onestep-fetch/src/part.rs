//! The unfinished file.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::FetchError;
use crate::digest::Digests;

/// What tells a file of a server from another, to go on with the same one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub address: String,
    /// The server's tag of this version of the file.
    pub etag: Option<String>,
    pub size: Option<u64>,
}

/// The beginning of a file, in a file of its own that nobody else writes.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    note: PathBuf,
    file: File,
    digests: Digests,
    received: u64,
}

impl Part {
    /// Takes up what an earlier attempt left of the same file, or begins anew. Without a tag nothing tells whether it is the same.
    pub(crate) fn open(to: &Path, identity: &Identity) -> Result<Self, FetchError> {
        let (path, note) = (beside(to, ".part"), beside(to, ".part.json"));
        let failed = |reason| FetchError::Write { path: path.clone(), reason };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::InUse { path }),
            // Where the file system knows no locks, it is gone without.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let known = fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
        let goes_on = identity.etag.is_some() && known.as_ref() == Some(identity);
        let mut part = Self { path, note, file, digests: Digests::default(), received: 0 };
        if !goes_on {
            part.begin()?;
            let text = serde_json::to_vec(identity).expect("strings and numbers");
            fs::write(&part.note, text).map_err(|reason| part.failed(reason))?;
        } else {
            part.digest_again()?;
        }
        Ok(part)
    }

    /// Bytes that are there.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Throws away what is there.
    pub(crate) fn begin(&mut self) -> Result<(), FetchError> {
        let begun = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        begun.map_err(|reason| self.failed(reason))?;
        (self.digests, self.received) = (Digests::default(), 0);
        Ok(())
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|reason| self.failed(reason))?;
        self.digests.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// The digests of all that is there.
    pub(crate) fn digests(&self) -> Digests {
        self.digests.clone()
    }

    /// Gives the file its final name.
    pub(crate) fn finish(self, to: &Path) -> Result<(), FetchError> {
        let finished = self.file.sync_all().and_then(|()| fs::rename(&self.path, to));
        finished.map_err(|reason| FetchError::Write { path: to.to_path_buf(), reason })?;
        let _ = fs::remove_file(&self.note);
        Ok(())
    }

    /// Removes what is there.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.note);
    }

    /// Reads what is there once more, for its digest, and stands at its end.
    fn digest_again(&mut self) -> Result<(), FetchError> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.digests.update(&buffer[..n]);
                    self.received += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(reason) => return Err(self.failed(reason)),
            }
        }
    }

    fn failed(&self, reason: io::Error) -> FetchError {
        FetchError::Write { path: self.path.clone(), reason }
    }
}

/// A path with something behind its name.
fn beside(path: &Path, behind: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(behind);
    name.into()
}
