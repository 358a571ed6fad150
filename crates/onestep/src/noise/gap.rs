//! Gaps: how far below a noise level its partner lies when there is no grid.

use serde::{Deserialize, Serialize};

/// The map from a level σ to its cleaner partner, shrinking towards σ as stages pass.
///
/// # Source
///
/// Easy Consistency Tuning (arXiv:2406.14548), section 3.2: r(t) = t·(1 - n(t)/q^(stage+1)), not below 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Gap {
    /// n(t) = 1.
    Constant {
        /// q: the gap shrinks by this factor each stage; 2 where none is given.
        #[serde(default = "published::shrink")]
        shrink: f64,
    },
    /// n(t) = 1 + k·sigmoid(-b·t): wider where there is little noise.
    Sigmoid {
        /// q: the gap shrinks by this factor each stage; 2 where none is given.
        #[serde(default = "published::shrink")]
        shrink: f64,
        /// k; 8, as published, where none is given.
        #[serde(default = "published::k")]
        k: f64,
        /// b; 1, as published, where none is given.
        #[serde(default = "published::b")]
        b: f64,
    },
}

/// The numbers of the published run on CIFAR-10.
mod published {
    pub fn shrink() -> f64 {
        2.0
    }
    pub fn k() -> f64 {
        8.0
    }
    pub fn b() -> f64 {
        1.0
    }
}

impl Gap {
    /// The partner level of `sigma` in stage `stage`; 0 means the clean image itself.
    ///
    /// # Units
    ///
    /// Standard deviation of noise, as `sigma`. Stages are counted from 0; in a recipe they are counted in images.
    pub fn partner(&self, sigma: f64, stage: u32) -> f64 {
        let (shrink, factor) = match *self {
            Self::Constant { shrink } => (shrink, 1.0),
            Self::Sigmoid { shrink, k, b } => (shrink, 1.0 + k / (1.0 + (b * sigma).exp())),
        };
        (sigma * (1.0 - factor / shrink.powi((stage as i32).saturating_add(1)))).max(0.0)
    }
}
