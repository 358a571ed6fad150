//! Sets that come with the library, so that the first run needs no download.

use super::image_set::Pictures;
use super::toy::Toy;
use super::{DataError, DataSpec, Dataset, Split};

/// The names that may follow `builtin:`.
pub fn builtin_names() -> Vec<&'static str> {
    ["emoji", "portraits"].into_iter().chain(Toy::ALL.map(Toy::name)).collect()
}

/// The emoji, or a part of them, with their labels if they are wanted.
#[cfg(feature = "builtin")]
pub(super) fn emoji(split: Option<Split>, labels: bool) -> Result<Pictures, DataError> {
    super::emoji::pictures(split, labels)
}

/// A smaller build does not carry them.
#[cfg(not(feature = "builtin"))]
pub(super) fn emoji(_: Option<Split>, _: bool) -> Result<Pictures, DataError> {
    Err(DataError::unsupported("builtin:emoji", "this program was built without the feature `builtin`"))
}

/// The portraits, seen through a spec.
#[cfg(feature = "builtin")]
pub(super) fn portraits(spec: &DataSpec) -> Result<Box<dyn Dataset>, DataError> {
    Ok(Box::new(super::portraits::PortraitSet::new(spec)?))
}

/// A smaller build does not carry them.
#[cfg(not(feature = "builtin"))]
pub(super) fn portraits(_: &DataSpec) -> Result<Box<dyn Dataset>, DataError> {
    Err(DataError::unsupported("builtin:portraits", "this program was built without the feature `builtin`"))
}
