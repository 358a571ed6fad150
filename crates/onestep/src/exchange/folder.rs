//! Folders that are there whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arrays::TensorFileError;
use crate::checkpoint::file_digest;
use crate::data::{DataError, OutputError, Outputs};
use crate::digest::Digesting;
use crate::interop::diffusers::{RECORD, Record};
use crate::{Result, TOOL};

use super::ExportError;

/// A folder that is being written under another name.
pub(super) struct FolderWriter {
    folder: PathBuf,
    files: BTreeMap<String, String>,
}

/// What says of a folder that it is ours: who wrote it, and the SHA-256 of each file.
#[derive(Serialize, Deserialize)]
struct Signature {
    tool: String,
    files: BTreeMap<String, String>,
    #[serde(flatten)]
    record: Record,
}

impl FolderWriter {
    /// Writes a file; `name` may have folders in it.
    pub(super) fn file(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut dyn Write) -> Result<(), TensorFileError>,
    ) -> Result<()> {
        let path = self.folder.join(name);
        let failed = |source| DataError::Write { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let file = File::create_new(&path).map_err(failed)?;
        let mut output = Digesting::new(BufWriter::new(file));
        match body(&mut output) {
            Ok(()) => {}
            Err(TensorFileError::Io(source)) => return Err(failed(source).into()),
            Err(reason) => return Err(ExportError::Weights { reason }.into()),
        }
        output.flush().and_then(|()| output.inner.get_ref().sync_all()).map_err(failed)?;
        self.files.insert(name.to_owned(), output.hex());
        Ok(())
    }

    /// Writes text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<()> {
        self.file(name, |output| Ok(output.write_all(text.as_bytes())?))
    }
}

/// Writes a folder whole or not at all, with the record that tells it for ours. In the place of a folder that we wrote, and in which
/// nothing has changed since, it comes where `outputs` says so.
pub(super) fn write_folder(
    folder: &Path,
    outputs: &Outputs,
    record: Record,
    body: impl FnOnce(&mut FolderWriter) -> Result<()>,
) -> Result<()> {
    check(folder, outputs)?;
    let failed = |source| DataError::Write { path: folder.to_path_buf(), source };
    let named = |kind: &str| -> Result<PathBuf, DataError> {
        let Some(name) = folder.file_name() else {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "the path names no folder")));
        };
        // The process id keeps two processes apart; what a dead one with the same id left means nothing.
        let path =
            folder.with_file_name(format!(".{}.{}.{kind}", name.to_string_lossy(), std::process::id()));
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(failed)?;
        }
        Ok(path)
    };
    let scratch = named("partial")?;
    fs::create_dir_all(&scratch).map_err(failed)?;
    let mut writer = FolderWriter { folder: scratch.clone(), files: BTreeMap::new() };
    let written = body(&mut writer).and_then(|()| {
        let signature = Signature { tool: TOOL.to_owned(), files: writer.files.clone(), record };
        writer.text(RECORD, &pretty(&signature))
    });
    let placed = written.and_then(|()| {
        // Looked at again: it may have come to be while this was written.
        check(folder, outputs)?;
        let old = named("old")?;
        let is_there = folder.is_dir();
        if is_there {
            fs::rename(folder, &old).map_err(failed)?;
        }
        let placed = fs::rename(&scratch, folder).map_err(failed);
        match (is_there, &placed) {
            (true, Ok(())) => {
                // All that is left to do is to tidy up; that it stays is the smaller evil.
                let _ = fs::remove_dir_all(&old);
            }
            (true, Err(_)) => {
                let _ = fs::rename(&old, folder);
            }
            (false, _) => {}
        }
        Ok(placed?)
    });
    if placed.is_err() {
        let _ = fs::remove_dir_all(&scratch);
    }
    placed
}

/// JSON for people and programs.
pub(super) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("names and numbers are always JSON") + "\n"
}

/// Refuses a place where something stands that may not be taken away.
fn check(folder: &Path, outputs: &Outputs) -> Result<()> {
    let foreign = |path: &Path| OutputError::Foreign { path: path.to_path_buf() };
    match fs::symlink_metadata(folder) {
        Err(_) => return Ok(()),
        Ok(there) if !there.is_dir() => return Err(foreign(folder).into()),
        Ok(_) => {}
    }
    outputs.check_folder(folder, RECORD)?;
    let record = folder.join(RECORD);
    outputs.check(&record)?;
    let Ok(text) = fs::read_to_string(&record) else { return Ok(()) };
    let signature: Option<Signature> = serde_json::from_str(&text).ok();
    let files = signature.map(|signature| signature.files).unwrap_or_default();
    for path in files_below(folder)? {
        outputs.check_unread(&path)?;
        let name = path.strip_prefix(folder).ok().and_then(Path::to_str).map(|name| name.replace('\\', "/"));
        let is_ours = name.is_some_and(|name| {
            name == RECORD
                || files.get(&name).is_some_and(|said| file_digest(&path).is_ok_and(|digest| digest == *said))
        });
        if !is_ours {
            return Err(foreign(&path).into());
        }
    }
    Ok(())
}

/// All files in a folder and those below, in the order of their names; links count as files.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)?.is_dir() {
            true => files.extend(files_below(&entry.path())?),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    Ok(files)
}
