//! What can go wrong with a checkpoint, in classes that a caller can act on.

use std::io;
use std::path::{Path, PathBuf};

use crate::arrays::TensorFileError;
use crate::model::ModelError;

/// A checkpoint that cannot be written or read.
///
/// [`CheckpointError::class`] sorts the variants by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Nothing that could be a model is at this place.
    #[error(
        "there is no model here: give a .safetensors file, a step folder or a run folder (it holds `ckpt`): {}",
        path.display()
    )]
    NotFound {
        /// The place that was asked for.
        path: PathBuf,
    },
    /// A name that begins with `builtin:` and is of no model that comes with the library.
    #[error("no model `builtin:{name}` comes along; {}", match known.as_slice() {
        [] => "this program was built without the feature `builtin`".to_owned(),
        known => format!("there are {}", known.iter().map(|name| format!("`builtin:{name}`")).collect::<Vec<_>>().join(", ")),
    })]
    NotBuiltIn {
        /// What stands behind `builtin:`.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// A checkpoint lacks one of its files.
    #[error("a file of the checkpoint is missing: {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A tensor file that breaks the rules of its format or of this tool.
    #[error("{reason}: {}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: TensorFileError,
    },
    /// A header or `state.json` that cannot be understood.
    #[error("the {what} cannot be read ({reason}): {}", path.display())]
    BadJson {
        /// Which part of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: serde_json::Error,
    },
    /// A file of a later version of this tool.
    #[error("format {found} is newer than the {supported} this version reads; update onestep: {}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that can be read.
        supported: u64,
    },
    /// A file whose bytes are not those that were saved.
    #[error("the file has changed since it was saved (its SHA-256 is not the one in `state.json`): {}", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
    },
    /// A model file by itself whose bytes are not those that were saved.
    #[error("the file is damaged: its contents are not those that were saved (SHA-256): {}", path.display())]
    Flipped {
        /// The file.
        path: PathBuf,
    },
    /// A step folder whose contents contradict its name.
    #[error("the folder holds step {found}, not the step in its name: {}", path.display())]
    WrongStep {
        /// The folder.
        path: PathBuf,
        /// The step in `state.json`.
        found: u64,
    },
    /// A run folder with step folders, none of which is intact.
    #[error("none of the {n_folders} checkpoints is intact; the newest: {newest}: {}", path.display())]
    NothingIntact {
        /// The run folder.
        path: PathBuf,
        /// Number of step folders.
        n_folders: usize,
        /// What is wrong with the one that was tried first.
        newest: Box<CheckpointError>,
    },
    /// Weights that the checkpoint does not have.
    #[error("there are no weights `{wanted}` here; there are {}: {}", list(available), path.display())]
    NoSuchWeights {
        /// The file or step folder.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: Vec<String>,
    },
    /// Tensors that do not fit the network.
    #[error("{reason}: {}", path.display())]
    WrongModel {
        /// The file.
        path: PathBuf,
        /// Which tensor, and why.
        reason: ModelError,
    },
    /// A model of another program that cannot be taken over.
    #[cfg(feature = "formats")]
    #[error("{reason}: {}", path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<crate::interop::InteropError>,
    },
    /// A name of a model that was not downloaded.
    #[cfg(feature = "formats")]
    #[error(transparent)]
    NotCached(#[from] crate::interop::CacheError),
    /// Optimizer state that does not fit the network.
    #[error("{reason}: {}", path.display())]
    WrongOptimizer {
        /// The file.
        path: PathBuf,
        /// Which array, and why.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// State that was to be saved holds NaN or infinity; nothing was saved.
    #[error("`{tensor}` holds a value that is not finite at index {index}; refusing to save {}", path.display())]
    NotFinite {
        /// The file that would have held it.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// Flat index of the first such value.
        index: usize,
    },
    /// Two averages of one run with the same settings.
    #[error("the run has two averages `{label}`; give them different rates or leave one out")]
    SameLabel {
        /// Their label.
        label: String,
    },
    /// No room for the checkpoint.
    #[error("not enough space: {needed} bytes needed, {} available; free some or save elsewhere: {}",
        available.map_or("unknown".to_string(), |bytes| bytes.to_string()), path.display())]
    DiskFull {
        /// The folder or file.
        path: PathBuf,
        /// Bytes the whole checkpoint needs, with a margin.
        needed: u64,
        /// Bytes there are, if the system says.
        available: Option<u64>,
    },
    /// A limit on files that is reached whatever room there is on the disk.
    #[error("the system allows no more ({reason}); raise the limit (`ulimit -f`, or the quota) or save elsewhere: {}",
        path.display())]
    Limited {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A place that cannot be written to.
    #[error("cannot create {} ({reason}); check that the folder is writable", path.display())]
    CannotCreate {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The folder of a run was removed, or another one was put in its place, while the run was going on.
    #[error("the run's folder was removed while it was training, and nothing can be saved there: {}", path.display())]
    TakenAway {
        /// The run folder.
        path: PathBuf,
    },
    /// A new run in the folder of another one.
    #[error("{} already holds a run; go on with that one, or choose another folder", path.display())]
    HasRun {
        /// The run folder.
        path: PathBuf,
    },
    /// Another process is training in this run folder.
    #[error(
        "process {} is already training in this run folder; stop it or choose another folder: {}",
        owner.map_or("(unknown)".to_string(), |pid| pid.to_string()),
        path.display()
    )]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// Its process id, if it can be read.
        owner: Option<u32>,
    },
    /// Any other refusal of the operating system.
    #[error("cannot {action} ({reason}): {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// What a caller can do about a [`CheckpointError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The model or checkpoint itself is wrong, missing or damaged: use another.
    BadData,
    /// There is no room or no permission: make some.
    CannotCreate,
    /// Another process owns the run folder: wait or choose another.
    Locked,
    /// The system failed at something that usually works: try again.
    Io,
    /// The run produced numbers that cannot be saved.
    BadNumbers,
}

impl CheckpointError {
    /// Sorts the error by what can be done about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            #[cfg(feature = "formats")]
            Self::Foreign { .. } | Self::NotCached(_) => ErrorClass::BadData,
            Self::NotFound { .. }
            | Self::NotBuiltIn { .. }
            | Self::Missing { .. }
            | Self::BadFile { .. }
            | Self::BadJson { .. }
            | Self::NewerFormat { .. }
            | Self::WrongDigest { .. }
            | Self::Flipped { .. }
            | Self::WrongStep { .. }
            | Self::NothingIntact { .. }
            | Self::NoSuchWeights { .. }
            | Self::WrongModel { .. }
            | Self::WrongOptimizer { .. }
            | Self::SameLabel { .. } => ErrorClass::BadData,
            Self::NotFinite { .. } => ErrorClass::BadNumbers,
            Self::DiskFull { .. }
            | Self::Limited { .. }
            | Self::CannotCreate { .. }
            | Self::TakenAway { .. }
            | Self::HasRun { .. } => ErrorClass::CannotCreate,
            Self::Locked { .. } => ErrorClass::Locked,
            Self::Io { .. } => ErrorClass::Io,
        }
    }

    /// The same error where the file is one that a step folder must have: what is not there is missing.
    pub(crate) fn in_step_folder(self) -> Self {
        match self {
            Self::NotFound { path } if path.parent().is_some_and(Path::is_dir) => Self::Missing { path },
            other => other,
        }
    }

    /// The same error of another file: the one the reader knows, not the temporary one.
    pub(crate) fn at(self, path: &Path) -> Self {
        let path = path.to_path_buf();
        match self {
            Self::NotFinite { tensor, index, .. } => Self::NotFinite { path, tensor, index },
            Self::BadJson { what, reason, .. } => Self::BadJson { what, path, reason },
            Self::DiskFull { needed, available, .. } => Self::DiskFull { path, needed, available },
            Self::Limited { reason, .. } => Self::Limited { path, reason },
            Self::CannotCreate { reason, .. } => Self::CannotCreate { path, reason },
            Self::Io { action, reason, .. } => Self::Io { action, path, reason },
            other => other,
        }
    }

    /// Gives an error of the system the class it belongs to.
    ///
    /// `needed` is what a full disk is reported with: the bytes of the whole save, or 0 while reading.
    pub(crate) fn from_io(action: &'static str, path: &Path, reason: io::Error, needed: u64) -> Self {
        use io::ErrorKind;
        let path = path.to_path_buf();
        match reason.kind() {
            ErrorKind::StorageFull => Self::DiskFull { path, needed, available: None },
            // How much room there is says nothing of these.
            ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Limited { path, reason },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if action.starts_with("create") => {
                Self::CannotCreate { path, reason }
            }
            _ => Self::Io { action, path, reason },
        }
    }
}

/// Names in backticks, separated by commas.
fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
