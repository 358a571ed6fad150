//! Weights mapped for Winograd's method.

#![allow(unsafe_code, reason = "factors are filled in parallel, each place by one task")]

use super::super::memory::{Shared, filled};
use super::super::tile::Kernels;
use super::Tiling;
use super::transforms::WeightJob;

/// The weights of a 3x3 convolution as its matrix products read them: for each place of a tile, panels of output channels,
/// each `[depth, width of the panel]`.
#[derive(Debug)]
pub(crate) struct Factors {
    values: Vec<f32>,
    plane: usize,
    panel: usize,
    places: usize,
    pub depth: usize,
    pub columns: usize,
}

impl Factors {
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
                // SAFETY: each task has its own columns of its own tap.
                let target = unsafe { shared.slice((tap * depth + row) * columns + first, last - first) };
                for (column, target) in (first..last).zip(target) {
                    *target = source[column * depth + row];
                }
            }
        };
        // SAFETY: the blocks cover all columns of all taps.
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
        let padded =
            (0..columns).step_by(panel).map(|column| kernels.panel_at(column, columns)).sum::<usize>();
        // A line more, so that the places of one weight do not all fall into one set of the cache.
        let plane = depth * padded + 16;
        const ROWS: usize = 8;
        let task = |task: usize, shared: Shared| {
            if task == 0 {
                for place in 0..places {
                    // SAFETY: the line between planes, which no product reads.
                    unsafe { shared.slice(place * plane + depth * padded, 16) }.fill(0.0);
                }
            }
            for row in task * ROWS..((task + 1) * ROWS).min(depth) {
                for column in (0..columns).step_by(panel) {
                    let width = kernels.panel_at(column, columns);
                    // SAFETY: this row of this panel belongs to the task; vectors end with the panel.
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
        // SAFETY: rows and panels cover the planes.
        let values = unsafe { filled(places * plane, depth.div_ceil(ROWS).max(1), task) };
        Self { values, plane, panel, places, depth, columns }
    }

    /// The panel that begins at `column`, for one place of a tile.
    pub(super) fn panel(&self, place: usize, column: usize) -> *const f32 {
        self.values[place * self.plane + column * self.depth..].as_ptr()
    }

    /// Whether they were mapped for such tiles and loops.
    pub(crate) fn fits(&self, tiling: &Tiling, kernels: &Kernels) -> bool {
        self.places == tiling.places() && self.panel == kernels.panel()
    }
}
