//! What lies at a path that is to be judged.

use std::path::Path;

use super::collection::Collection;
use crate::checkpoint::is_builtin_model;
use crate::interop;

/// What a path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// What was seen of images, as [`Collection::save`] writes it.
    Collection,
    /// A model file, a step folder or a run folder; one that comes with the library, by its whole name; a file or folder of another
    /// program, or the name of one.
    Model,
    /// Neither, so images if anything.
    Images,
}

/// Finds out what a path holds, by its place and beginning.
pub fn sample_kind(path: &Path) -> SampleKind {
    if path.is_file() && Collection::is_in(path) {
        return SampleKind::Collection;
    }
    let is_model = if is_builtin_model(path) {
        true
    } else if path.is_dir() {
        path.join("ckpt").is_dir()
            || path.join("latest").is_file()
            || path.join("model.safetensors").is_file()
    } else {
        path.extension().is_some_and(|extension| extension == "safetensors")
    };
    if is_model || interop::looks_like_model(path) { SampleKind::Model } else { SampleKind::Images }
}
