//! Layouts of one weight that the loops read, made once.

use std::sync::{Arc, OnceLock};

use super::winograd::{Factors, Tiling};
use crate::blocking::{PairPanels, Panels, TileMatrix};
use crate::simd::Precision;

/// A place where the operators keep what they make of one weight, for as long as the weight is used.
///
/// The layouts of a weight cost as much to make as the work on a few images takes. Whoever holds weights that do not change
/// holds one of these beside each and hands it to every call with that weight, and with no other. Clones share the place.
#[derive(Debug, Clone, Default)]
pub struct Layouts(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    panels: OnceLock<Panels>,
    pair_panels: OnceLock<PairPanels>,
    tiles: OnceLock<TileMatrix>,
    /// In f32 and in bf16, for tiles of two and of four: images of different sizes meet one weight.
    factors: [[OnceLock<Factors>; 2]; 2],
}

impl Layouts {
    /// The panels made by `make`, now or before.
    pub(crate) fn panels(&self, make: impl FnOnce() -> Panels) -> &Panels {
        self.0.panels.get_or_init(make)
    }

    /// The rounded panels made by `make`, now or before.
    pub(crate) fn pair_panels(&self, make: impl FnOnce() -> PairPanels) -> &PairPanels {
        self.0.pair_panels.get_or_init(make)
    }

    /// The tiles made by `make`, now or before.
    pub(crate) fn tiles(&self, make: impl FnOnce() -> TileMatrix) -> &TileMatrix {
        self.0.tiles.get_or_init(make)
    }

    /// The factors made by `make`, now or before.
    pub(crate) fn factors(
        &self,
        precision: Precision,
        tiling: &Tiling,
        make: impl FnOnce() -> Factors,
    ) -> &Factors {
        let of_precision = &self.0.factors[usize::from(precision == Precision::Bf16)];
        of_precision[usize::from(tiling.outputs == 4)].get_or_init(make)
    }
}

impl PartialEq for Layouts {
    /// Whether both are one place.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
