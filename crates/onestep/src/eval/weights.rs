//! Networks whose weights have to be fetched once.

use std::path::Path;

use super::features::find_inception;
use crate::perceptual::{PerceptualKind, Pooling, Trunk, WeightFiles, find_weights};

/// The networks that do not come with the library, by name, with whether their weights are in a folder.
pub fn fetched(cache: &Path) -> Vec<(&'static str, bool)> {
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
