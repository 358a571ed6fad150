//! Weights mapped for Winograd's method.

#![allow(unsafe_code, reason = "factors are filled in parallel, each place by one task")]

use std::sync::OnceLock;

use super::tiling::Tiling;
use crate::blocking::{Shared, each, filled};
use crate::loops::{Kernels, WeightJob, pair_panel};
use crate::simd::Precision;

/// The weights of a 3x3 convolution as its matrix products read them: for each place of a tile, panels of output channels,
/// each `[depth, width of the panel]`.
#[derive(Debug)]
pub(crate) struct Factors {
    values: Values,
    /// From one place to the next.
    plane: usize,
    panel: usize,
    places: usize,
    pub depth: usize,
    pub columns: usize,
}

#[derive(Debug)]
enum Values {
    Full(Vec<f32>),
    /// For each place, each panel as [`pair_panel`] makes it.
    Pairs(Vec<Vec<u32>>),
}

/// The panel of one place.
pub(super) enum Panel {
    Full(*const f32),
    Pairs(*const u32),
}

impl Factors {
    /// Rounds to bf16 what is to be multiplied so.
    pub(crate) fn in_precision(self, precision: Precision) -> Self {
        let Values::Full(values) = &self.values else { return self };
        if precision == Precision::F32 {
            return self;
        }
        let padded = (self.plane - 16) / self.depth.max(1);
        let pairs = self.depth.div_ceil(2);
        let planes: Vec<OnceLock<Vec<u32>>> = (0..self.places).map(|_| OnceLock::new()).collect();
        each(self.places, |place| {
            planes[place].get_or_init(|| {
                let mut plane = vec![0; pairs * padded];
                for column in (0..padded).step_by(self.panel) {
                    let width = self.panel.min(padded - column);
                    let panel = &values[place * self.plane + column * self.depth..][..width * self.depth];
                    pair_panel(panel, width, &mut plane[column * pairs..][..width * pairs]);
                }
                plane
            });
        });
        let planes = planes.into_iter().map(|plane| plane.into_inner().unwrap_or_default()).collect();
        Self { values: Values::Pairs(planes), ..self }
    }

    /// Maps weights `[3, 3, depth, columns]`.
    pub(crate) fn new(
        kernels: &Kernels,
        tiling: &Tiling,
        weight: &[f32],
        [depth, columns]: [usize; 2],
    ) -> Self {
        Self::map(kernels, tiling, weight, [depth, columns], false)
    }

    /// Maps the weights of the data gradient: those of `[3, 3, columns, depth]` with taps and channels turned round.
    pub(crate) fn turned(
        kernels: &Kernels,
        tiling: &Tiling,
        weight: &[f32],
        [depth, columns]: [usize; 2],
    ) -> Self {
        const BLOCK: usize = 16;
        let blocks = columns.div_ceil(BLOCK);
        let task = |task: usize, shared: Shared| {
            let (tap, first) = (task / blocks, task % blocks * BLOCK);
            let last = (first + BLOCK).min(columns);
            let source = &weight[tap * depth * columns..][..depth * columns];
            for row in 0..depth {
                // SAFETY: a task has some columns of one tap, and no other task has any of them.
                let target = unsafe { shared.slice((tap * depth + row) * columns + first, last - first) };
                for (column, target) in (first..last).zip(target) {
                    *target = source[column * depth + row];
                }
            }
        };
        // SAFETY: the tasks are all blocks of columns of all taps, and each writes all rows of its own.
        let transposed = unsafe { filled(9 * depth * columns, 9 * blocks, task) };
        Self::map(kernels, tiling, &transposed, [depth, columns], true)
    }

    fn map(
        kernels: &Kernels,
        tiling: &Tiling,
        weight: &[f32],
        [depth, columns]: [usize; 2],
        flipped: bool,
    ) -> Self {
        assert_eq!(weight.len(), 9 * depth * columns);
        let (panel, places) = (kernels.panel(), tiling.places());
        let padded = kernels.padded(columns);
        // A line more, so that the places of one weight do not all fall into one set of the cache.
        let plane = depth * padded + 16;
        const ROWS: usize = 8;
        let task = |task: usize, shared: Shared| {
            if task == 0 {
                for place in 0..places {
                    // SAFETY: the line behind the panels of a plane, which only the first task touches.
                    unsafe { shared.slice(place * plane + depth * padded, 16) }.fill(0.0);
                }
            }
            for row in task * ROWS..((task + 1) * ROWS).min(depth) {
                for column in (0..columns).step_by(panel) {
                    let width = kernels.panel_at(column, columns);
                    // SAFETY: the weights hold nine taps of `depth` rows, as was checked; panels are whole vectors wide, so the
                    // loop writes this row of this panel in every plane and no more, and no other task has the row.
                    unsafe {
                        (kernels.winograd(tiling.outputs).factors)(&WeightJob {
                            source: weight.as_ptr().add(row * columns + column),
                            tap: depth * columns,
                            columns: width.min(columns - column),
                            target: shared.pointer(column * depth + row * width),
                            plane,
                            flipped,
                        });
                    }
                }
            }
        };
        // SAFETY: the tasks are all rows, and each writes its rows of all panels of all planes; the first, which there always is,
        // writes the lines between planes.
        let values = unsafe { filled(places * plane, depth.div_ceil(ROWS).max(1), task) };
        Self { values: Values::Full(values), plane, panel, places, depth, columns }
    }

    /// The panel that begins at `column`, for one place of a tile.
    pub(super) fn panel(&self, place: usize, column: usize) -> Panel {
        match &self.values {
            Values::Full(values) => Panel::Full(values[place * self.plane + column * self.depth..].as_ptr()),
            Values::Pairs(planes) => Panel::Pairs(planes[place][column * self.depth.div_ceil(2)..].as_ptr()),
        }
    }

    /// The arithmetic of the products they are for.
    pub(super) fn precision(&self) -> Precision {
        match self.values {
            Values::Full(_) => Precision::F32,
            Values::Pairs(_) => Precision::Bf16,
        }
    }

    /// Whether they were mapped for such tiles and loops.
    pub(crate) fn fits(&self, tiling: &Tiling, kernels: &Kernels) -> bool {
        self.places == tiling.places() && self.panel == kernels.panel()
    }
}
