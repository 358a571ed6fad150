//! Collections in files: what is seen is kept while it grows, and gone on with.

use std::path::Path;

use super::EvalError;
use super::collection::{Collection, Subject};
use super::reference::write_npz;
use super::statistics::Divisor;

/// A file that a collection is kept in while it grows.
pub struct Keep<'a> {
    /// The file. A `.npz` gets mean and covariance alone, once all images are in; others can be gone on with.
    pub file: &'a Path,
    /// Asked after every block whether to write what is in by now; it is written at the end in any case.
    pub now: &'a mut dyn FnMut() -> bool,
}

impl Collection {
    /// A collection to go on with, if the file holds a part of the same one, or an empty one.
    ///
    /// # Errors
    ///
    /// - [`EvalError::HoldsAnother`] if the file holds something else, or nothing identifies the images.
    /// - As [`Collection::new`] and [`Collection::load`].
    pub fn begin(subject: Subject, file: Option<&Path>) -> Result<Self, EvalError> {
        let mut fresh = Self::new(subject)?;
        let Some(path) = file.filter(|path| path.exists() && !holds_moments_alone(path)) else {
            return Ok(fresh);
        };
        let holds_another = |difference| {
            let (path, difference) = (path.to_path_buf(), Box::new(difference));
            Err(EvalError::HoldsAnother { path, difference })
        };
        let found = Self::load(path)?;
        if fresh.subject.images.is_empty() {
            let reason = "nothing says whether these are images of the same model".into();
            return holds_another(EvalError::Parts { reason });
        }
        match fresh.merge(found) {
            Ok(()) => Ok(fresh),
            Err(difference) => holds_another(difference),
        }
    }

    /// Writes everything that is in, or, into a `.npz`, mean and covariance as other tools read them.
    ///
    /// # Errors
    ///
    /// As [`Collection::save`], [`write_npz`] and [`Collection::statistics`].
    pub fn write(&self, path: &Path, divisor: Divisor) -> Result<(), EvalError> {
        if holds_moments_alone(path) {
            return write_npz(path, &self.statistics(divisor)?);
        }
        self.save(path)
    }
}

/// Whether a file of this name holds mean and covariance alone, and so cannot be gone on with.
pub fn holds_moments_alone(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}
