//! Third floor: the cutting of work. Matrices are packed into panels in the order of the loops, cut into blocks that stay in
//! a cache, and the blocks are shared out to threads.
//!
//! How work is cut decides nothing about a result: each element is one chain of multiply-adds, or sums are cut by shapes alone.

mod epilogue;
mod gathered;
mod groups;
mod memory;
mod outer;
mod panels;
mod sums;
mod threads;
mod tile_matrix;

pub(crate) use epilogue::Epilogue;
pub(crate) use gathered::{RowTable, gathered, product};
pub(crate) use groups::Groups;
pub(crate) use memory::{SMALL, Shared, as_pairs, filled, filled_chunks, spread, with_lines, with_scratch};
pub(crate) use outer::{OuterTable, Strip, outer_rows, outer_sum};
pub(crate) use panels::{PairPanels, Panels, pack_columns};
pub(crate) use sums::{column_sums, fold, scale_and_sum};
pub(crate) use threads::{each, threads};
pub(crate) use tile_matrix::TileMatrix;
