//! Architectures found again from the names and shapes of tensors.

mod adm;
mod diffusers;
mod edm;
mod jax;

use std::collections::BTreeMap;

pub(super) use adm::adm;
pub(super) use diffusers::diffusers;
pub(super) use edm::edm;
pub use jax::song_from_jax;

use crate::interop::InteropError;
use crate::size::ImageSize;

/// Names and shapes of a state dict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shapes<'a>(pub &'a BTreeMap<String, Vec<usize>>);

impl<'a> Shapes<'a> {
    /// The shape of a tensor, if it is there.
    pub(super) fn find(self, name: &str) -> Option<&'a [usize]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// One extent of a tensor that the network cannot be without.
    pub(super) fn extent(self, name: &str, axis: usize) -> Result<usize, InteropError> {
        let shape = self.find(name).ok_or_else(|| odd(format!("there is no tensor `{name}`")))?;
        let extent = shape.get(axis).copied().filter(|&extent| extent > 0);
        extent.ok_or_else(|| odd(format!("tensor `{name}` has the shape {shape:?}")))
    }

    /// How many of the numbers from 0 on are there, by what each makes of its number.
    pub(super) fn count(self, mut is_there: impl FnMut(usize) -> bool) -> usize {
        // A file has not more blocks than tensors.
        (0..=self.0.len()).take_while(|&index| is_there(index)).count()
    }

    /// Whether any tensor has a name that begins so.
    pub(super) fn has_prefix(self, prefix: &str) -> bool {
        self.0.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }
}

/// A multiple of a width, which channels of these networks always are.
fn multiple(what: &str, channels: usize, width: usize) -> Result<usize, InteropError> {
    if width > 0 && channels.is_multiple_of(width) {
        Ok(channels / width)
    } else {
        Err(odd(format!("{what} has {channels} channels, which is no multiple of {width}")))
    }
}

/// What no network of a family looks like.
fn odd(reason: String) -> InteropError {
    let why = "its tensors have the names of a known network but not its structure".to_owned();
    InteropError::Unsupported { what: reason, why }
}

/// Sizes of the feature maps that attend, by the levels that do.
fn resolutions(size: ImageSize, levels: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut sizes: Vec<usize> = levels.into_iter().map(|level| size.halved(level).shorter()).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.dedup();
    sizes
}
