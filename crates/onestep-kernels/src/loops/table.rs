//! The loops of one instruction set as a table of functions, and how they are called.

#![allow(unsafe_code, reason = "calls functions that need instructions which the machine has been asked for")]

use super::amx::TileLoops;
use super::gather::Gather;
use super::norm::NormLoops;
use super::outer::Outer;
use super::product::{PairProduct, Product};
use super::winograd::{GradientJob, InputJob, OutputJob, TapsJob, WeightJob};

/// The maps of Winograd's method for one size of tile.
#[derive(Clone, Copy)]
pub(crate) struct WinogradLoops {
    /// To f32 and to bf16.
    pub input: [unsafe fn(&InputJob); 2],
    pub output: unsafe fn(&OutputJob),
    pub gradient: unsafe fn(&GradientJob),
    pub factors: unsafe fn(&WeightJob),
    pub taps: unsafe fn(&TapsJob),
}

/// The inner loops of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// Rows that [`Self::gather`] computes at once; tables are padded to a multiple.
    pub rows: usize,
    /// Numbers of a vector.
    pub lanes: usize,
    /// Heights of the tiles of [`Self::outer`], tallest first; the last is 1.
    pub outer_rows: [usize; 4],
    pub(super) gather: [unsafe fn(&Gather); 2],
    pub(super) outer: [[unsafe fn(&Outer); 4]; 2],
    pub(super) product: [[unsafe fn(&Product); 2]; 2],
    pub(super) pair_product: [[unsafe fn(&PairProduct); 2]; 2],
    pub(super) winograd: [WinogradLoops; 2],
    pub(super) round: unsafe fn(&[f32], &mut [u32]),
    pub norm: NormLoops,
    /// Where products of bf16 run in tiles.
    pub tiles: Option<TileLoops>,
}

impl Kernels {
    /// Width of a full panel: two vectors.
    pub(crate) fn panel(&self) -> usize {
        2 * self.lanes
    }

    /// Width of the panel that begins at `column` of `columns`: two vectors, or one where that is enough.
    pub(crate) fn panel_at(&self, column: usize, columns: usize) -> usize {
        if columns - column <= self.lanes { self.lanes } else { 2 * self.lanes }
    }

    /// Widths of all panels together: the columns and the padding of the last panel.
    pub(crate) fn padded(&self, columns: usize) -> usize {
        (0..columns).step_by(self.panel()).map(|column| self.panel_at(column, columns)).sum()
    }

    /// Runs a [`Gather`].
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written, for rows rounded up to
    /// [`Self::rows`] in `offsets`, and the panel is [`Self::panel_at`] wide.
    pub(crate) unsafe fn gather(&self, job: &Gather) {
        unsafe { self.gather[usize::from(job.columns > self.lanes)](job) }
    }

    /// Runs a [`Product`] with a panel of one or two vectors.
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written.
    pub(crate) unsafe fn product(&self, transposed: bool, width: usize, job: &Product) {
        unsafe { self.product[usize::from(transposed)][usize::from(width > self.lanes)](job) }
    }

    /// Runs a [`PairProduct`] with a panel of one or two vectors.
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written.
    pub(crate) unsafe fn pair_product(&self, transposed: bool, width: usize, job: &PairProduct) {
        unsafe { self.pair_product[usize::from(transposed)][usize::from(width > self.lanes)](job) }
    }

    /// A row of numbers as pairs of neighbours of type bf16; an odd last one is paired with zero.
    pub(crate) fn round_row(&self, row: &[f32], pairs: &mut [u32]) {
        // SAFETY: a table is only made of a set that this machine has, and the loop checks its slices itself.
        unsafe { (self.round)(row, pairs) }
    }

    /// The maps for tiles of `outputs` x `outputs`, which is 2 or 4.
    pub(crate) fn winograd(&self, outputs: usize) -> &WinogradLoops {
        &self.winograd[usize::from(outputs == 4)]
    }

    /// Runs an [`Outer`] of `self.outer_rows[height]` rows.
    ///
    /// # Safety
    ///
    /// All pointers are valid for what their documentation says is read or written, and the panel is
    /// [`Self::panel_at`] wide.
    pub(crate) unsafe fn outer(&self, height: usize, job: &Outer) {
        unsafe { self.outer[usize::from(job.columns > self.lanes)][height](job) }
    }
}
