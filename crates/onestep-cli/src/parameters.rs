//! What pictures say about how they were made, as text.

use std::fmt::Display;
use std::path::Path;

use onestep::data::picture;

use crate::failure::{Failure, Outcome, code, io_failure};

/// The parameters inside a picture, or in the json beside anything else.
pub fn read(path: &Path) -> Outcome<String> {
    let text = if path.extension().is_some_and(|e| e == "json") {
        Some(onestep::file::read_text(path).map_err(|error| io_failure("read", path, &error))?)
    } else {
        picture::read_parameters(path)?
    };
    let hint = "only PNG files written by onestep do; the .json beside them works too";
    text.ok_or_else(|| absent(path).hint(hint))
}

/// Of a picture that says nothing.
pub fn absent(path: &Path) -> Failure {
    Failure::new(code::DATA, format!("{} does not say how it was made", path.display()))
}

/// Of parameters that are none.
pub fn unreadable(path: &Path, error: impl Display) -> Failure {
    Failure::new(code::DATA, format!("the parameters inside {} cannot be read: {error}", path.display()))
}
