//! Models to use: from a file, a step folder or a run folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use super::builtin::builtin_file;
#[cfg(feature = "formats")]
use super::foreign;
use super::header::{Manifest, parse};
use super::layout::{self, CHECKPOINTS, LATEST, MODEL, STATE, TARGET};
use super::seal::is_whole;
use super::{CheckpointError, ModelHeader, Which};
use crate::arrays::{NamedArrays, Rules, TensorFile, TensorFileError};
use crate::digest::Digesting;
#[cfg(feature = "formats")]
use crate::interop::ForeignModel;
use crate::model::{Network, ParameterSpec, Preconditioned, Weights};

/// A step folder that could not be used.
#[derive(Debug)]
pub struct Damaged {
    /// The folder.
    pub folder: PathBuf,
    /// What is wrong with it.
    pub error: CheckpointError,
}

/// A model's weights and what they are.
#[derive(Debug)]
pub struct LoadedModel {
    /// What the file says about them.
    pub header: ModelHeader,
    /// The weights by name.
    pub arrays: NamedArrays,
    /// The file they are from.
    pub file: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Newer checkpoints that had to be passed over; worth a warning.
    pub skipped: Vec<Damaged>,
}

/// What a model file says, without its weights.
#[derive(Debug)]
pub struct ModelSummary {
    /// The header.
    pub header: ModelHeader,
    /// Names and shapes of the tensors, in the order of the file.
    pub tensors: Vec<(String, Vec<u64>)>,
    /// The file.
    pub file: PathBuf,
    /// Its bytes.
    pub n_bytes: u64,
    /// Newer checkpoints that had to be passed over; worth a warning.
    pub skipped: Vec<Damaged>,
}

impl LoadedModel {
    /// The model itself: the network that the header describes, with its weights and preconditioning.
    ///
    /// # Errors
    ///
    /// [`ModelError`](crate::model::ModelError) for an architecture that cannot be built; as [`LoadedModel::weights`].
    pub fn into_model(self, device: &Device) -> crate::Result<Preconditioned> {
        let network = self.header.architecture.build()?;
        self.into_model_with(network, device)
    }

    /// The model with a network that the program brings along, for files whose header says
    /// [`Architecture::Custom`](crate::model::Architecture::Custom).
    ///
    /// # Errors
    ///
    /// As [`LoadedModel::weights`].
    pub fn into_model_with(
        self,
        network: Arc<dyn Network>,
        device: &Device,
    ) -> crate::Result<Preconditioned> {
        let (preconditioning, range) = (self.header.preconditioning, self.header.range());
        let weights = self.weights(network.parameters(), device)?;
        Ok(Preconditioned::new(network, weights, preconditioning, range))
    }

    /// The weights for a network with these parameters.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::WrongModel`] if a tensor is missing, does not belong, or has another shape.
    pub fn weights(self, specs: &Arc<[ParameterSpec]>, device: &Device) -> Result<Weights, CheckpointError> {
        weights_from(&self.file, specs, self.arrays, device)
    }
}

/// Loads a model.
///
/// `path` is a model file, a step folder, a run folder, or a run folder's file `latest`; `builtin:` with one of
/// [`builtin_models`](super::builtin_models); also a file or folder of another program, as
/// [`crate::interop::ForeignModel`] knows them, or the name of one that was downloaded ([`crate::interop::Caches`]). Every file is compared with its digest:
/// one of a step folder with that in `state.json`, one by itself with the one that it carries. If the checkpoint that `latest` names is damaged, the newest intact one is taken and
/// [`LoadedModel::skipped`] says so.
///
/// # Errors
///
/// - [`CheckpointError::NotFound`], [`CheckpointError::NotBuiltIn`], [`CheckpointError::NoSuchWeights`]: nothing there of that
///   name.
/// - [`CheckpointError::BadFile`], [`CheckpointError::BadJson`], [`CheckpointError::WrongDigest`], [`CheckpointError::Flipped`],
///   [`CheckpointError::WrongStep`], [`CheckpointError::NewerFormat`]: the file cannot be used.
/// - [`CheckpointError::NothingIntact`]: no checkpoint of the run can be used.
/// - [`CheckpointError::Foreign`], [`CheckpointError::NotCached`]: a model of another program that cannot be taken over, or is not
///   there.
/// - [`CheckpointError::Io`]: the system could not read.
pub fn load_model(path: &Path, which: &Which) -> Result<LoadedModel, CheckpointError> {
    #[cfg(feature = "formats")]
    let path = &*foreign::located(path)?;
    #[cfg(feature = "formats")]
    if foreign::is_foreign(path) {
        let mut model = opened_foreign(path, which)?;
        let weights = model.weights.clone();
        let (arrays, sha256) = rayon::join(|| model.arrays(), || file_digest(&weights));
        let (arrays, sha256) = (arrays.map_err(|reason| foreign::at(path, reason))?, sha256?);
        let (header, file) = (ModelHeader::imported(&model, &sha256), model.weights);
        return Ok(LoadedModel { header, arrays, file, sha256, skipped: Vec::new() });
    }
    let (skipped, file, (header, arrays, sha256)) = find(path, which, |file, digest| {
        let (metadata, arrays, sha256) = read_arrays(file, digest)?;
        Ok((ModelHeader::parse(file, &metadata)?, arrays, sha256))
    })?;
    Ok(LoadedModel { header, arrays, file, sha256, skipped })
}

/// Reads a model's header and the shapes of its tensors, but no weights: quick however large the file.
///
/// # Errors
///
/// As [`load_model`], except that values and digest are not looked at.
pub fn read_header(path: &Path, which: &Which) -> Result<ModelSummary, CheckpointError> {
    #[cfg(feature = "formats")]
    let path = &*foreign::located(path)?;
    #[cfg(feature = "formats")]
    if foreign::is_foreign(path) {
        let model = opened_foreign(path, which)?;
        if let Some(problem) = model.matching().problem() {
            return Err(foreign::at(path, problem.into()));
        }
        let extents = |shape: Vec<usize>| shape.into_iter().map(|extent| extent as u64).collect();
        let tensors = model.matching().matched.into_iter().map(|found| (found.ours, extents(found.shape)));
        let (header, tensors) = (ModelHeader::imported(&model, ""), tensors.collect());
        let (n_bytes, file) = (length(&model.weights)?, model.weights);
        return Ok(ModelSummary { header, tensors, file, n_bytes, skipped: Vec::new() });
    }
    let (skipped, file, (header, tensors)) = find(path, which, |file, _| {
        let tensors = open(file)?;
        let header = ModelHeader::parse(file, tensors.metadata())?;
        Ok((header, tensors.shapes().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()))
    })?;
    Ok(ModelSummary { header, tensors, n_bytes: length(&file)?, file, skipped })
}

/// The models that a run of progressive distillation has kept, by the number of steps they were made for: the newest step
/// folder of each. Empty for other runs, and for paths that are none.
///
/// # Errors
///
/// As [`read_header`], except that damaged checkpoints are left out.
pub fn stage_models(run: &Path) -> Result<BTreeMap<usize, PathBuf>, CheckpointError> {
    let mut models = BTreeMap::new();
    if !run.is_dir() {
        return Ok(models);
    }
    for step in layout::list(run)?.steps {
        let folder = run.join(CHECKPOINTS).join(layout::step_name(step));
        match read_header(&folder, &Which::Best) {
            Ok(summary) => {
                models.extend(summary.header.profile().made_for_steps().map(|steps| (steps, folder)))
            }
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(models)
}

/// Opens a model of another program, which has one set of weights.
#[cfg(feature = "formats")]
fn opened_foreign(path: &Path, which: &Which) -> Result<ForeignModel, CheckpointError> {
    match which {
        Which::Best | Which::Raw => foreign::open(path),
        _ => {
            let (path, wanted) = (path.to_path_buf(), which.to_string());
            Err(CheckpointError::NoSuchWeights { path, wanted, available: vec!["best".into()] })
        }
    }
}

/// Bytes of a file, or of a model that comes with the library.
fn length(path: &Path) -> Result<u64, CheckpointError> {
    match builtin_file(path)? {
        Some(bytes) => Ok(bytes.len() as u64),
        None => Ok(std::fs::metadata(path).map_err(|error| read_failed(path, error))?.len()),
    }
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn file_digest(path: &Path) -> Result<String, CheckpointError> {
    let failed = |error| read_failed(path, error);
    let mut file: Digesting<Box<dyn Read + Send>> = Digesting::new(match builtin_file(path)? {
        Some(bytes) => Box::new(bytes),
        None => Box::new(crate::file::open(path).map_err(failed)?),
    });
    std::io::copy(&mut file, &mut std::io::sink()).map_err(failed)?;
    Ok(file.hex())
}

/// Finds the file that `path` and `which` mean and reads it; returns also what had to be passed over.
fn find<T>(
    path: &Path,
    which: &Which,
    read: impl Fn(&Path, Option<&str>) -> Result<T, CheckpointError>,
) -> Result<(Vec<Damaged>, PathBuf, T), CheckpointError> {
    let not_found = || CheckpointError::NotFound { path: path.to_path_buf() };
    if path.is_dir() {
        if path.join(STATE).is_file() {
            let (file, value) = read_from_step(path, which, &read)?;
            Ok((Vec::new(), file, value))
        } else if path.join(CHECKPOINTS).is_dir() {
            let (skipped, (file, value)) =
                first_intact(path, |folder| read_from_step(folder, which, &read))?.ok_or_else(not_found)?;
            Ok((skipped, file, value))
        } else if path.file_name().and_then(|name| name.to_str()).and_then(layout::parse_step).is_some() {
            Err(CheckpointError::Missing { path: path.join(STATE) })
        } else {
            Err(not_found())
        }
    } else if path.file_name().is_some_and(|name| name == LATEST) && path.is_file() {
        // The parent of a bare `latest` is the empty path, which is not a folder.
        let run = path.parent().filter(|run| !run.as_os_str().is_empty()).unwrap_or(Path::new("."));
        find(run, which, read)
    } else if matches!(which, Which::Best | Which::Raw) {
        Ok((Vec::new(), path.to_path_buf(), read(path, None)?))
    } else {
        let (path, wanted) = (path.to_path_buf(), which.to_string());
        Err(CheckpointError::NoSuchWeights { path, wanted, available: vec!["best".into()] })
    }
}

/// Tries the step folders of a run in order; none if there are none.
pub(crate) fn first_intact<T>(
    run: &Path,
    read: impl Fn(&Path) -> Result<T, CheckpointError>,
) -> Result<Option<(Vec<Damaged>, T)>, CheckpointError> {
    let mut skipped: Vec<Damaged> = Vec::new();
    for folder in layout::candidates(run)? {
        match read(&folder) {
            Ok(value) => return Ok(Some((skipped, value))),
            Err(error) if is_damage(&error) => skipped.push(Damaged { folder, error }),
            Err(error) => return Err(error),
        }
    }
    let n_folders = skipped.len();
    match skipped.into_iter().next() {
        None => Ok(None),
        Some(Damaged { error, .. }) => Err(CheckpointError::NothingIntact {
            path: run.to_path_buf(),
            n_folders,
            newest: Box::new(error),
        }),
    }
}

/// Whether an error says that these bytes are bad, so that an older checkpoint may be better. A checkpoint of a newer
/// version, or one without the weights asked for, is not bad: falling back from it would hide what is wrong.
fn is_damage(error: &CheckpointError) -> bool {
    matches!(
        error,
        CheckpointError::BadFile { .. }
            | CheckpointError::BadJson { .. }
            | CheckpointError::WrongDigest { .. }
            | CheckpointError::WrongStep { .. }
            | CheckpointError::NotFound { .. }
            | CheckpointError::Missing { .. }
            | CheckpointError::Io { .. }
    )
}

fn read_from_step<T>(
    folder: &Path,
    which: &Which,
    read: impl Fn(&Path, Option<&str>) -> Result<T, CheckpointError>,
) -> Result<(PathBuf, T), CheckpointError> {
    let manifest = read_manifest(folder)?;
    let labels: Vec<String> = manifest.averages.iter().map(|average| average.label()).collect();
    let name = match which {
        Which::Best => labels.first().map_or(MODEL.to_string(), |label| layout::weights_file(label)),
        Which::Raw => MODEL.to_string(),
        Which::Target => TARGET.to_string(),
        Which::Average(label) => layout::weights_file(label),
    };
    // Only names that state.json vouches for are ever opened, so a label cannot lead out of the folder.
    let known = match which {
        Which::Average(label) => labels.contains(label),
        _ => true,
    };
    match manifest.files.get(&name) {
        Some(digest) if known => {
            let file = folder.join(name);
            let value = read(&file, Some(digest)).map_err(CheckpointError::in_step_folder)?;
            Ok((file, value))
        }
        _ => {
            let mut available = vec!["raw".to_string()];
            available.extend(labels);
            available.extend(manifest.files.contains_key(TARGET).then(|| "target".to_string()));
            let (path, wanted) = (folder.to_path_buf(), which.to_string());
            Err(CheckpointError::NoSuchWeights { path, wanted, available })
        }
    }
}

/// Reads a step folder's `state.json`.
pub(crate) fn read_manifest(folder: &Path) -> Result<Manifest, CheckpointError> {
    let path = folder.join(STATE);
    let text = std::fs::read_to_string(&path).map_err(|error| read_failed(&path, error).in_step_folder())?;
    let manifest: Manifest = parse("training state", &path, &text)?;
    let name = folder.file_name().and_then(|name| name.to_str()).and_then(layout::parse_step);
    match name {
        Some((step, _)) if step != manifest.state.step => {
            Err(CheckpointError::WrongStep { path: folder.to_path_buf(), found: manifest.state.step })
        }
        // A folder that was renamed by hand says nothing about the step.
        _ => Ok(manifest),
    }
}

/// Opens a tensor file, or one that comes with the library, and reads its header.
fn open(path: &Path) -> Result<TensorFile<Box<dyn Read + Send>>, CheckpointError> {
    let opened = |input: Box<dyn Read + Send>, length| {
        TensorFile::open(input, length, Rules::OURS).map_err(|error| bad_file(path, error))
    };
    if let Some(bytes) = builtin_file(path)? {
        return opened(Box::new(bytes), bytes.len() as u64);
    }
    let metadata = std::fs::metadata(path).map_err(|error| read_failed(path, error))?;
    // Opening a pipe would wait for ever.
    if !metadata.is_file() {
        return Err(CheckpointError::NotFound { path: path.to_path_buf() });
    }
    let file = File::open(path).map_err(|error| read_failed(path, error))?;
    opened(Box::new(file), metadata.len())
}

/// Reads a tensor file's metadata, arrays and digest, and compares the digest: with the one that is known, else with the one that the
/// file carries of itself, if it does.
pub(crate) fn read_arrays(
    path: &Path,
    digest: Option<&str>,
) -> Result<(String, NamedArrays, String), CheckpointError> {
    let read = || {
        let file = open(path)?;
        let metadata = file.metadata().to_string();
        let (arrays, _) = file.read().map_err(|error| bad_file(path, error))?;
        let is_whole = digest.is_some() || is_whole(&metadata, &arrays);
        Ok::<_, CheckpointError>((metadata, arrays, is_whole))
    };
    // Two digests of gigabytes take as long as all the rest: one is had meanwhile.
    let (found, read) = rayon::join(|| file_digest(path), read);
    let ((metadata, arrays, is_whole), found) = (read?, found?);
    match digest {
        Some(digest) if found != digest => Err(CheckpointError::WrongDigest { path: path.to_path_buf() }),
        _ if !is_whole => Err(CheckpointError::Flipped { path: path.to_path_buf() }),
        _ => Ok((metadata, arrays, found)),
    }
}

/// Puts arrays read from `file` in the place of a network's parameters.
pub(crate) fn weights_from(
    file: &Path,
    specs: &Arc<[ParameterSpec]>,
    arrays: NamedArrays,
    device: &Device,
) -> Result<Weights, CheckpointError> {
    Weights::from_named(specs, arrays, device)
        .map_err(|reason| CheckpointError::WrongModel { path: file.to_path_buf(), reason })
}

fn bad_file(path: &Path, error: TensorFileError) -> CheckpointError {
    match error {
        TensorFileError::Io(error) => read_failed(path, error),
        reason => CheckpointError::BadFile { path: path.to_path_buf(), reason },
    }
}

fn read_failed(path: &Path, error: std::io::Error) -> CheckpointError {
    match error.kind() {
        std::io::ErrorKind::NotFound => CheckpointError::NotFound { path: path.to_path_buf() },
        _ => CheckpointError::Io { action: "read the file", path: path.to_path_buf(), reason: error },
    }
}
