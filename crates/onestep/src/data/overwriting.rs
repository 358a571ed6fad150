//! The one rule for outputs: never over what this program did not make, never over what it reads, and over nothing at all without
//! being told.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{DataError, beside, picture};

/// Why an output is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It is there already, made by onestep, and nobody said that it may be replaced.
    #[error("there is a file of that name already: `{}`", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is there, and was made by somebody else, so that it is not replaced whatever is said.
    #[error("there is a file of that name that onestep did not make, and leaves alone: `{}`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is what the same command reads, perhaps by another name.
    #[error("what is written would take the place of what is read, `{}`: `{}`", input.display(), path.display())]
    Input {
        /// The file that was to be written.
        path: PathBuf,
        /// The input, as it was named.
        input: PathBuf,
    },
    /// A folder with the images of another draw.
    #[error("the folder holds another draw ({there}; asked for: {asked}): `{}`", folder.display())]
    AnotherDraw {
        /// The folder.
        folder: PathBuf,
        /// What was drawn.
        there: String,
        /// What is to be drawn.
        asked: String,
    },
    /// A folder with images of the same draw in another precision.
    #[error("the folder was begun in {there}, and goes on in no other precision; asked for: {asked}: `{}`", folder.display())]
    AnotherPrecision {
        /// The folder.
        folder: PathBuf,
        /// What it was begun in.
        there: &'static str,
        /// What is to be drawn in.
        asked: &'static str,
    },
    /// A kind of file that several processes cannot draw together.
    #[error("only an .npz or a folder is drawn in shards, not `{}`", path.display())]
    NoShards {
        /// The file.
        path: PathBuf,
    },
    /// A folder with something in it, but without a record of pictures that were made there.
    #[error("the folder is not empty, and no record says that it is of pictures made here; it holds {}: `{}`",
        one.display(), folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// The name of something in it.
        one: PathBuf,
    },
    /// Another process is writing it.
    #[error("process {} is writing it: `{}`",
        owner.map_or("(unknown)".to_string(), |pid| pid.to_string()), path.display())]
    InUse {
        /// The record of what is written.
        path: PathBuf,
        /// The process id, if it can be read.
        owner: Option<u32>,
    },
}

/// What may be written over, and what may not.
///
/// By default nothing that exists is replaced. Told to overwrite, files that onestep made are: those that say so themselves, in a
/// PNG's parameters, by the `tool` of a JSON object, in the metadata of a safetensors file, as the generator of an HTML page or as the producer of an ONNX file, the file of
/// weights beside which begins with the name too; and those that have no place to say it
/// but lie beside a JSON file of their name that does, and that names them with their SHA-256. What is read is never written over, by whatever name or link.
///
/// # Examples
///
/// ```
/// use onestep::data::{OutputError, Outputs};
///
/// let folder = std::env::temp_dir().join(format!("onestep-outputs-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let notes = folder.join("notes.json");
/// assert_eq!(Outputs::default().check(&notes), Ok(()));
/// std::fs::write(&notes, "{}")?;
/// assert_eq!(Outputs::default().overwrite(true).check(&notes), Err(OutputError::Foreign { path: notes.clone() }));
/// std::fs::write(&notes, r#"{ "tool": "onestep 0.1.0" }"#)?;
/// assert_eq!(Outputs::default().check(&notes), Err(OutputError::Exists { path: notes.clone() }));
/// assert_eq!(Outputs::default().overwrite(true).check(&notes), Ok(()));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    overwrite: bool,
    inputs: Vec<PathBuf>,
}

impl Outputs {
    /// Replaces files that onestep made, or not.
    #[must_use]
    pub fn overwrite(mut self, yes: bool) -> Self {
        self.overwrite = yes;
        self
    }

    /// Spares a file that is read, whatever else is said.
    #[must_use]
    pub fn spare(mut self, input: impl Into<PathBuf>) -> Self {
        self.inputs.push(input.into());
        self
    }

    /// Spares files that are read.
    #[must_use]
    pub fn spare_all<P: Into<PathBuf>>(mut self, inputs: impl IntoIterator<Item = P>) -> Self {
        self.inputs.extend(inputs.into_iter().map(Into::into));
        self
    }

    /// Whether files that onestep made are replaced.
    pub fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Allows a file to be written, or says why not.
    ///
    /// # Errors
    ///
    /// [`OutputError::Input`], [`OutputError::Exists`] or [`OutputError::Foreign`].
    pub fn check(&self, path: &Path) -> Result<(), OutputError> {
        self.check_unread(path)?;
        // A link that leads nowhere is something that is there, too.
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_dir() => {}
            // That a folder stands in the way is met, and told, by whoever writes.
            _ => return Ok(()),
        }
        match (made_here(path), self.overwrite) {
            (false, _) => Err(OutputError::Foreign { path: path.to_path_buf() }),
            (true, false) => Err(OutputError::Exists { path: path.to_path_buf() }),
            (true, true) => Ok(()),
        }
    }

    /// Refuses a folder that holds anything, but not the record of what was made there: what is written would be mixed up with it.
    /// Hidden files do not count.
    ///
    /// # Errors
    ///
    /// [`OutputError::NotEmpty`].
    pub fn check_folder(&self, folder: &Path, record: &str) -> Result<(), OutputError> {
        // A folder that cannot be read is met, and told, by whoever writes.
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        if folder.join(record).exists() {
            return Ok(());
        }
        let counts = |entry: &fs::DirEntry| {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            !(is_file && entry.file_name().as_encoded_bytes().starts_with(b"."))
        };
        let names =
            entries.filter_map(Result::ok).filter(counts).map(|entry| PathBuf::from(entry.file_name()));
        // The first by name, so that the message does not depend on the system.
        match names.min() {
            Some(one) => Err(OutputError::NotEmpty { folder: folder.to_path_buf(), one }),
            None => Ok(()),
        }
    }

    /// Takes files away that onestep made, all or none of them; what is not there is taken for gone.
    ///
    /// # Errors
    ///
    /// - As [`Outputs::check`], for the first that may not be.
    /// - [`DataError::Write`] for one that cannot be.
    pub fn remove(&self, paths: &dyn Fn(usize) -> PathBuf, n: usize) -> crate::Result<()> {
        // Not a list: there may be millions.
        let made = || (0..n).map(paths).filter(|path| fs::symlink_metadata(path).is_ok());
        made().try_for_each(|path| self.check(&path))?;
        for path in made() {
            fs::remove_file(&path).map_err(|source| DataError::Write { path, source })?;
        }
        Ok(())
    }

    /// Refuses a file that is read; whoever knows what else may be replaced decides the rest.
    ///
    /// # Errors
    ///
    /// [`OutputError::Input`].
    pub fn check_unread(&self, path: &Path) -> Result<(), OutputError> {
        match self.inputs.iter().find(|input| is_same_file(input, path)) {
            Some(input) => Err(OutputError::Input { path: path.to_path_buf(), input: input.clone() }),
            None => Ok(()),
        }
    }
}

/// Whether a file says, or the JSON beside it says of it, that onestep made it.
fn made_here(path: &Path) -> bool {
    match ending(path).as_deref() {
        Some("png") => {
            let parameters = picture::read_parameters(path).ok().flatten();
            parameters
                .is_some_and(|text| serde_json::from_str(&text).is_ok_and(|signed: Signed| signed.is_ours()))
        }
        Some("json") => json_made_here(path).is_some(),
        Some("safetensors") => tensors_made_here(path),
        Some("html") => page_made_here(path),
        Some("onnx") => onnx_made_here(path),
        Some("data") if ending(&path.with_extension("")).as_deref() == Some("onnx") => {
            begins(path).is_some_and(|start| start.starts_with(b"onestep "))
        }
        // That there is JSON of ours is not enough: it may be of a picture, and this somebody's data of the same name.
        _ => json_made_here(&path.with_extension("json"))
            .is_some_and(|signed| beside::is_named(path, &signed.files)),
    }
}

fn json_made_here(path: &Path) -> Option<Signed> {
    let signed: Signed = serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()?;
    signed.is_ours().then_some(signed)
}

/// Whether an HTML page names this program as its generator, near its beginning as those written here do.
fn page_made_here(path: &Path) -> bool {
    let mut start = Vec::new();
    let Ok(file) = File::open(path) else { return false };
    let read = file.take(PAGE_START).read_to_end(&mut start);
    let generator = format!("<meta name=\"generator\" content=\"{OURS}");
    read.is_ok() && start.windows(generator.len()).any(|part| part == generator.as_bytes())
}

/// Bytes of a page in which its generator is looked for.
const PAGE_START: u64 = 512;

/// Whether an ONNX file names this program as its producer, as the second field of those written here does.
fn onnx_made_here(path: &Path) -> bool {
    // Field 1 is an integer of one byte; field 2 is a text of seven.
    begins(path).is_some_and(|start| start[0] == 0x08 && &start[2..11] == b"\x12\x07onestep")
}

/// The first bytes of a file.
fn begins(path: &Path) -> Option<[u8; 16]> {
    let mut start = [0; 16];
    File::open(path).ok()?.read_exact(&mut start).ok()?;
    Some(start)
}

/// Whether the metadata of a safetensors file say that it is ours: a model, or what was written for another program.
fn tensors_made_here(path: &Path) -> bool {
    metadata_of(path).is_some_and(|Metadata { onestep, tool }| {
        onestep.is_some() || tool.is_some_and(|tool| tool.starts_with(OURS))
    })
}

fn metadata_of(path: &Path) -> Option<Metadata> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let header: TensorsHeader = serde_json::from_reader(file.take(u64::from_le_bytes(length))).ok()?;
    Some(header.metadata)
}

/// The beginning of a safetensors file, but for its tensors.
#[derive(Deserialize)]
struct TensorsHeader {
    #[serde(rename = "__metadata__")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    onestep: Option<String>,
    tool: Option<String>,
}

/// What the program and its version begin with.
const OURS: &str = "onestep ";

/// What every JSON of ours says, whatever else it holds.
#[derive(Deserialize)]
struct Signed {
    tool: String,
    /// The files beside it that cannot say it themselves.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

impl Signed {
    fn is_ours(&self) -> bool {
        self.tool.starts_with(OURS)
    }
}

/// What the name of a file ends with, in small letters; none for the name of a folder: one without an ending, or with a separator
/// behind it.
pub fn ending(path: &Path) -> Option<String> {
    let is_separator = |&byte: &u8| std::path::is_separator(byte.into());
    if path.as_os_str().as_encoded_bytes().last().is_some_and(is_separator) {
        return None;
    }
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase())
}

/// Whether two paths lead to one file.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    place(one).is_some_and(|found| Some(found) == place(other))
}

/// Whether two paths lead to one file.
#[cfg(not(unix))]
fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok();
    place(one).is_some_and(|found| Some(found) == place(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageShape, Pixels};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn only_files_that_say_so_are_ours() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let pixels = Pixels::new(ImageShape { height: 1, width: 1, channels: 3 }, vec![1, 2, 3]).unwrap();
        let record = r#"{"levels":[1],"tool":"onestep 0.1.0"}"#;
        picture::write_png(&path("ours.png"), &pixels, Some(record)).unwrap();
        picture::write_png(&path("plain.png"), &pixels, None).unwrap();
        picture::write_png(&path("other.png"), &pixels, Some(r#"{"tool":"gimp"}"#)).unwrap();
        fs::write(path("ours.npz"), "").unwrap();
        fs::write(path("ours.csv"), "").unwrap();
        let files = beside::named_beside(&path("ours.npz")).unwrap();
        let ours = serde_json::json!({ "tool": "onestep 0.1.0", "files": files });
        fs::write(path("ours.json"), ours.to_string()).unwrap();
        fs::write(path("changed.npz"), "").unwrap();
        let files = beside::named_beside(&path("changed.npz")).unwrap();
        let changed = serde_json::json!({ "tool": "onestep 0.1.0", "files": files });
        fs::write(path("changed.json"), changed.to_string()).unwrap();
        fs::write(path("changed.npz"), "by hand").unwrap();
        fs::write(path("plain.json"), "{}").unwrap();
        fs::write(path("list.json"), "[1, 2]").unwrap();
        fs::write(path("plain.npz"), "").unwrap();
        let tensors = |metadata: &str| {
            let header = format!(r#"{{"__metadata__":{{"{metadata}":"{{}}"}}}}"#);
            [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
        };
        fs::write(path("ours.safetensors"), tensors("onestep")).unwrap();
        fs::write(path("plain.safetensors"), tensors("format")).unwrap();
        fs::write(path("ours.onnx"), b"\x08\x08\x12\x07onestep\x1a\x050.1.0").unwrap();
        fs::write(path("plain.onnx"), b"\x08\x08\x12\x07pytorch\x1a\x052.9.0").unwrap();
        fs::write(path("empty.onnx"), "").unwrap();
        let page =
            |generator: &str| format!("<!doctype html>\n<meta name=\"generator\" content=\"{generator}\">\n");
        fs::write(path("ours.html"), page("onestep 0.1.0")).unwrap();
        fs::write(path("plain.html"), page("Hugo 0.150")).unwrap();
        fs::write(path("ours.onnx.data"), "onestep 0.1.0: weights of ours.onnx").unwrap();
        fs::write(path("plain.onnx.data"), [0; 64]).unwrap();
        fs::write(path("ours.data"), "onestep 0.1.0: weights of ours.onnx").unwrap();
        let over = Outputs::default().overwrite(true);
        for (name, allowed) in [
            ("ours.png", true),
            ("plain.png", false),
            ("other.png", false),
            ("ours.json", true),
            ("plain.json", false),
            ("list.json", false),
            ("ours.npz", true),
            // Beside our JSON, which says nothing of it, or something else.
            ("ours.csv", false),
            ("changed.npz", false),
            ("plain.npz", false),
            ("ours.safetensors", true),
            ("plain.safetensors", false),
            ("ours.onnx", true),
            ("plain.onnx", false),
            ("empty.onnx", false),
            ("ours.html", true),
            ("plain.html", false),
            ("ours.onnx.data", true),
            ("plain.onnx.data", false),
            ("ours.data", false),
        ] {
            let path = path(name);
            let exists = OutputError::Exists { path: path.clone() };
            let foreign = OutputError::Foreign { path: path.clone() };
            // That --overwrite would help is said of files only that it would replace.
            let told = if allowed { exists } else { foreign.clone() };
            assert_eq!(Outputs::default().check(&path), Err(told), "{name}");
            let expected = if allowed { Ok(()) } else { Err(foreign) };
            assert_eq!(over.check(&path), expected, "{name}");
        }
        assert_eq!(over.check(&path("new.png")), Ok(()));
    }

    #[test]
    fn what_is_read_is_spared_by_every_name() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("photo.json"), r#"{"tool":"onestep 0.1.0"}"#).unwrap();
        fs::create_dir(path("below")).unwrap();
        let mut names = vec![path("photo.json"), path("below/../photo.json")];
        fs::hard_link(path("photo.json"), path("hard.json")).unwrap();
        names.push(path("hard.json"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("photo.json"), path("soft.json")).unwrap();
            names.push(path("soft.json"));
        }
        let outputs = Outputs::default().overwrite(true).spare(path("photo.json"));
        for name in names {
            let refused = OutputError::Input { path: name.clone(), input: path("photo.json") };
            assert_eq!(outputs.check(&name), Err(refused));
        }
    }

    #[test]
    fn pictures_are_not_mixed_and_are_removed_together_or_not_at_all() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let over = Outputs::default().overwrite(true);
        assert_eq!(over.check_folder(folder.path(), "samples.json"), Ok(()));
        fs::write(path(".hidden"), "").unwrap();
        assert_eq!(over.check_folder(folder.path(), "samples.json"), Ok(()));
        // Classes of a data set, notes, pictures: whatever it is, it is somebody's.
        fs::create_dir(path("cats")).unwrap();
        let refused = OutputError::NotEmpty { folder: folder.path().into(), one: "cats".into() };
        assert_eq!(over.check_folder(folder.path(), "samples.json"), Err(refused));
        fs::write(path("c.png"), "").unwrap();
        fs::write(path("samples.json"), r#"{"tool":"onestep 0.1.0"}"#).unwrap();
        assert_eq!(over.check_folder(folder.path(), "samples.json"), Ok(()));
        // The first is ours and the second is not, so both stay; what is absent is no error.
        let names = ["absent.png", "samples.json", "c.png"];
        let name = |index: usize| path(names[index]);
        assert!(matches!(over.remove(&name, 3), Err(crate::Error::Output(OutputError::Foreign { .. }))));
        assert!(path("samples.json").exists());
        over.remove(&name, 2).unwrap();
        assert!(!path("samples.json").exists() && path("c.png").exists());
    }

    #[test]
    fn endings_are_small_letters_and_folders_have_none() {
        let of = |path: &str| ending(Path::new(path));
        assert_eq!(of("a/B.PNG").as_deref(), Some("png"));
        assert_eq!((of("a.b/c"), of("v0.5/"), of("a")), (None, None, None));
        assert_eq!(of("v0.5").as_deref(), Some("5"));
    }
}
