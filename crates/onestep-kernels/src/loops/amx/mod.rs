//! Loops over tiles of bf16, for instruction sets that multiply them (AMX).
//!
//! A tile has 16 lines of 64 bytes. Its left factor is 16 rows of 32 numbers of the depth, its right factor 16 pairs of rows
//! of the depth times 16 columns, its result 16 by 16 sums in f32. The loops are written over [`Lines`](crate::simd::Lines) and
//! compiled for AMX and, for tests on any machine, for arrays.

mod finish;
mod matrix;
mod pixels;
mod product;
mod softmax;
mod table;

pub(crate) use finish::{FinishJob, Results, RunningMoments};
pub(crate) use matrix::{PairJob, TileJob, UnpackJob};
pub(crate) use pixels::{COPIES, Numbers, PixelJob};
pub(crate) use product::{OuterProduct, SUMS, TileProduct};
pub(crate) use softmax::SoftmaxJob;
#[cfg(target_arch = "x86_64")]
pub(super) use table::AMX;
#[cfg(test)]
pub(super) use table::TWIN;
pub(crate) use table::TileLoops;
