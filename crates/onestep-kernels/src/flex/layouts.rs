//! Layouts of one weight that the loops read, made once.

use std::sync::{Arc, OnceLock};

use super::panels::Panels;
use super::winograd::Factors;

/// A place where the operators keep what they make of one weight, for as long as the weight is used.
///
/// The layouts of a weight cost as much to make as the work on a few images takes. Whoever holds weights that do not change
/// holds one of these beside each and hands it to every call with that weight, and with no other. Clones share the place.
#[derive(Debug, Clone, Default)]
pub struct Layouts(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    panels: OnceLock<Panels>,
    factors: OnceLock<Factors>,
}

impl Layouts {
    /// The panels made by `make`, now or before.
    pub(crate) fn panels(&self, make: impl FnOnce() -> Panels) -> &Panels {
        self.0.panels.get_or_init(make)
    }

    /// The factors made by `make`, now or before.
    pub(crate) fn factors(&self, make: impl FnOnce() -> Factors) -> &Factors {
        self.0.factors.get_or_init(make)
    }
}

impl PartialEq for Layouts {
    /// Whether both are one place.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
