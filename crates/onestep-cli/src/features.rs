//! Opening feature networks and perceptual ones: by name or by file, and where weights that were fetched once are kept.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use onestep::eval::features::{OpenOptions, find_inception, open as open_network};
use onestep::eval::{FeatureNetwork, Protocol};
use onestep::perceptual::{
    PerceptualKind, PerceptualNetwork, Pooling, Trunk, WeightFiles, find_weights, open as open_perceptual,
};

use crate::failure::Outcome;

/// Opens the network of a name or a file; the protocol says how Inception resizes.
pub fn open(name: &str, protocol: &Protocol, device: &Device) -> Outcome<Box<dyn FeatureNetwork>> {
    let cache = cache();
    let options = OpenOptions { resize: protocol.resize, cache: cache.as_deref(), device };
    Ok(open_network(name, &options)?)
}

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
    let cache = cache();
    let cache = cache.as_deref().unwrap_or(Path::new("."));
    let lpips = |trunk| {
        let kind = PerceptualKind::Lpips { trunk, pooling: Pooling::Max };
        find_weights(kind, &WeightFiles::default(), cache).is_ok()
    };
    vec![
        ("inception", find_inception(cache).is_some()),
        ("lpips with vgg16", lpips(Trunk::Vgg16)),
        ("lpips with alexnet", lpips(Trunk::AlexNet)),
    ]
}

/// `$XDG_CACHE_HOME/onestep`, or `~/.cache/onestep`.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    root.map(|root| root.join("onestep"))
}
