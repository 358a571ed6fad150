//! Where weights that were fetched once are kept, and the perceptual networks that are opened with them.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use onestep::perceptual::{
    PerceptualKind, PerceptualNetwork, WeightFiles, find_weights, open as open_perceptual,
};

use crate::failure::Outcome;

/// The files of weights of a perceptual network: those named, and those in the cache where none is.
pub fn weight_files(kind: PerceptualKind, named: &WeightFiles) -> Outcome<WeightFiles> {
    let cache = cache();
    Ok(find_weights(kind, named, cache.as_deref().unwrap_or(Path::new(".")))?)
}

/// Opens a perceptual network with the weights named, or those in the cache.
pub fn perceptual(kind: PerceptualKind, named: &WeightFiles, device: &Device) -> Outcome<PerceptualNetwork> {
    Ok(open_perceptual(kind, &weight_files(kind, named)?, device)?)
}

/// Networks whose weights have to be fetched, with whether that was done.
pub fn fetched() -> Vec<(&'static str, bool)> {
    onestep::eval::fetched(cache().as_deref().unwrap_or(Path::new(".")))
}

/// `$XDG_CACHE_HOME/onestep`, or `~/.cache/onestep`.
pub fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    root.map(|root| root.join("onestep"))
}
