//! Opening feature networks: by name or by file, and where weights that were fetched once are kept.

use std::path::PathBuf;

use burn::tensor::Device;
use onestep::eval::features::{OpenOptions, open as open_network};
use onestep::eval::{FeatureNetwork, Protocol};

use crate::failure::Outcome;

/// Opens the network of a name or a file; the protocol says how Inception resizes.
pub fn open(name: &str, protocol: &Protocol, device: &Device) -> Outcome<Box<dyn FeatureNetwork>> {
    let cache = cache();
    let options = OpenOptions { resize: protocol.resize, cache: cache.as_deref(), device };
    Ok(open_network(name, &options)?)
}

/// `$XDG_CACHE_HOME/onestep`, or `~/.cache/onestep`.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    root.map(|root| root.join("onestep"))
}
