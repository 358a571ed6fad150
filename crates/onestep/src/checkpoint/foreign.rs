//! Models of other programs, where a model of ours is asked for.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::header::{Format, Imported};
use super::{CheckpointError, ModelHeader};
use crate::TOOL;
use crate::arrays::{Rules, TensorFile};
use crate::file;
use crate::interop::{self, Caches, Choices, ForeignModel};

/// Whether a path leads to something that other programs write, and that is not ours: a file of weights without our metadata, or
/// a folder with their settings.
pub(super) fn is_foreign(path: &Path) -> bool {
    if path.is_dir() {
        return interop::is_model_folder(path);
    }
    let Ok(start) = file::start(path) else { return false };
    if interop::is_weights_file(&start) {
        return true;
    }
    let Ok(file) = File::open(path) else { return false };
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return false };
    let opened = TensorFile::open(std::io::BufReader::new(file), length, Rules::FOREIGN);
    opened.is_ok_and(|file| !file.is_signed())
}

/// The place of a model: a path, or a name in one of the user's caches.
pub(super) fn located(path: &Path) -> Result<PathBuf, CheckpointError> {
    Ok(Caches::of_user().locate(path)?)
}

/// Opens a model of another program without saying anything about it.
pub(super) fn open(path: &Path) -> Result<ForeignModel, CheckpointError> {
    ForeignModel::open(path, &Choices::default()).map_err(|reason| at(path, reason))
}

/// An error of such a model with its place.
pub(super) fn at(path: &Path, reason: interop::InteropError) -> CheckpointError {
    CheckpointError::Foreign { path: path.to_path_buf(), reason: Box::new(reason) }
}

impl ModelHeader {
    /// What the header of a model file says of a model of another program: all that is known of it.
    pub fn imported(model: &ForeignModel, sha256: &str) -> Self {
        let file =
            model.weights.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self {
            format: Format,
            architecture: model.architecture.clone(),
            preconditioning: model.preconditioning,
            kind: model.kind,
            sigma_min: model.range.sigma_min,
            sigma_max: model.range.sigma_max,
            sigma_data: model.range.sigma_data,
            rho: model.rho,
            class_names: model.class_names.clone(),
            method: model.method.clone(),
            data: "unknown".into(),
            images_seen: 0,
            step: 0,
            tool: TOOL.into(),
            sampling_levels: model.sampling_levels.clone(),
            task_levels: Default::default(),
            null_class: false,
            guidance: None,
            imported: Some(Imported { family: model.family.name().into(), file, sha256: sha256.into() }),
        }
    }
}
