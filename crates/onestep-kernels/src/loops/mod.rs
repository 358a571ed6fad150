//! Second floor: inner loops, written once over vectors of [`Simd`](crate::simd::Simd) and compiled for every instruction
//! set; [`Kernels`] is the table of them for each.

mod activation;
#[cfg_attr(not(any(target_arch = "x86_64", test)), allow(unused, reason = "no other architecture has tiles"))]
mod amx;
mod ceiling;
mod exponential;
mod gather;
mod norm;
mod outer;
mod pairs;
mod philox;
mod product;
mod sets;
mod table;
mod winograd;

pub(crate) use activation::cut_off;
pub use activation::{Activation, Rectifier};
pub(crate) use amx::{
    COPIES, FinishJob, Numbers, OuterProduct, PairJob, PixelJob, Results, RunningMoments, SUMS, SoftmaxJob,
    TileJob, TileLoops, TileProduct, UnpackJob,
};
pub use ceiling::multiply_adds;
pub(crate) use exponential::{exp, silu, silu_slope};
pub(crate) use gather::{Gather, OUTSIDE, index};
pub(crate) use outer::Outer;
pub(crate) use pairs::{pair_panel, pair_rows, round, widen};
pub use philox::philox;
#[cfg(feature = "card")]
pub(crate) use philox::{MULTIPLIERS, ROUNDS, WEYL};
pub(crate) use philox::{SIDE_BY_SIDE, WORDS, philox_words};
pub(crate) use product::{PairProduct, Product};
pub(crate) use table::Kernels;
pub(crate) use winograd::{GradientJob, InputJob, OutputJob, TapsJob, WeightJob};
