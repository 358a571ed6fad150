//! Models that come with the library: `builtin:NAME` where a model is asked for.

use std::path::Path;

use super::CheckpointError;

/// What their names begin with where a path is expected.
const PREFIX: &str = "builtin:";

/// The model that draws where nobody names one.
pub const USUAL_MODEL: &str = "builtin:portraits";

/// The diffusion model that it was distilled from.
pub const USUAL_TEACHER: &str = "builtin:portraits-edm";

/// Their names, without `builtin:`; none in a build without the feature `builtin`.
///
/// The first part of a name, up to its first dash, is that of the data set it was trained on; alone it stands for the first model
/// of that set, which draws in one step.
pub fn builtin_models() -> Vec<&'static str> {
    files().map(|(name, _)| name).collect()
}

/// Whether a path is the whole name of such a model. That of a data set alone, which can mean the images as well, is not.
pub fn is_builtin_model(path: &Path) -> bool {
    name_in(path).is_some_and(|wanted| files().any(|(name, _)| name == wanted))
}

/// The file of a model by its name; none for a path that begins with no `builtin:`.
///
/// # Errors
///
/// [`CheckpointError::NotBuiltIn`] for another name.
pub(super) fn builtin_file(path: &Path) -> Result<Option<&'static [u8]>, CheckpointError> {
    let Some(wanted) = name_in(path) else { return Ok(None) };
    let found = files().find(|(name, _)| *name == wanted).or_else(|| {
        files().find(|(name, _)| name.split_once('-').is_some_and(|(data_set, _)| data_set == wanted))
    });
    match found {
        Some((_, bytes)) => Ok(Some(bytes)),
        None => Err(CheckpointError::NotBuiltIn { name: wanted.to_owned(), known: builtin_models() }),
    }
}

fn name_in(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix(PREFIX)
}

#[cfg(feature = "builtin")]
fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    onestep_models::MODELS.iter().map(|model| (model.name, model.bytes))
}

/// A smaller build does not carry them.
#[cfg(not(feature = "builtin"))]
fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    std::iter::empty()
}
