//! Files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::DataError;

/// How many leftovers of killed processes with our number are stepped over.
const MAX_LEFTOVERS: usize = 100;

/// Writes a file whole or not at all.
///
/// `body` writes to a scratch file in the same folder, which takes the final name only when
/// everything has reached the disk. Whoever looks sees the old file or the new one, never half.
///
/// # Errors
///
/// [`DataError::Write`] with what creating, filling or renaming met; nothing is left behind.
///
/// # Examples
///
/// ```no_run
/// use std::io::Write;
/// onestep::data::write_whole("notes.txt".as_ref(), |file| file.write_all(b"all of it"))?;
/// # Ok::<(), onestep::Error>(())
/// ```
pub fn write_whole(
    path: &Path,
    body: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let write_error = |source| DataError::Write { path: path.to_path_buf(), source };
    let (scratch_path, scratch) = create_scratch(path).map_err(write_error)?;
    fill(scratch, body).and_then(|()| fs::rename(&scratch_path, path)).map_err(|error| {
        // The first error is the one to tell; that a scratch file stays behind is the smaller evil.
        let _ = fs::remove_file(&scratch_path);
        write_error(error)
    })?;
    sync_folder(path);
    Ok(())
}

fn create_scratch(path: &Path) -> io::Result<(PathBuf, File)> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut attempt = 0;
    loop {
        let mut scratch_name = OsString::from(".");
        scratch_name.push(name);
        scratch_name.push(format!(".{}-{attempt}.partial", std::process::id()));
        let scratch_path = path.with_file_name(scratch_name);
        match OpenOptions::new().write(true).create_new(true).open(&scratch_path) {
            Ok(file) => return Ok((scratch_path, file)),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(error) if attempt == MAX_LEFTOVERS => return Err(error),
            Err(_) => attempt += 1,
        }
    }
}

fn fill(scratch: File, body: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(scratch);
    body(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()
}

/// Makes the rename itself durable where folders can be opened; elsewhere the system sees to it.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}
