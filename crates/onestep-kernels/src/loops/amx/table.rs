//! The loops over tiles of one instruction set as a table of functions.

#![allow(unsafe_code, reason = "calls functions that need instructions which the machine has been asked for")]

use std::marker::PhantomData;

use super::finish::{FinishJob, finish};
use super::matrix::{
    PairJob, TileJob, UnpackJob, pack_as_lines, pack_columns, pack_rows, pair_pixels, unpack_sums,
};
use super::pixels::{PixelJob, pack_pixels};
use super::product::{OuterProduct, TileProduct, Tiles};
use super::softmax::{SoftmaxJob, softmax_lines};
#[cfg(target_arch = "x86_64")]
use crate::simd::Amx;
#[cfg(test)]
use crate::simd::Arrays;
use crate::simd::Lines;

/// The loops of one instruction set that has tiles.
///
/// Each runs the job of its name. The safety of calling one is that of the job: all pointers are valid for what its
/// documentation says is read or written, and those to lines are aligned. Products are for threads that hold tiles.
#[derive(Clone, Copy)]
pub(crate) struct TileLoops {
    configure: unsafe fn(),
    release: unsafe fn(),
    pub multiply: unsafe fn(&TileProduct),
    pub multiply_outer: unsafe fn(&OuterProduct),
    pub pack_pixels: unsafe fn(&PixelJob),
    pub pack_rows: unsafe fn(&TileJob),
    pub pack_columns: unsafe fn(&TileJob),
    pub pack_as_lines: unsafe fn(&TileJob),
    pub pair_pixels: unsafe fn(&PairJob),
    pub unpack_sums: unsafe fn(&UnpackJob),
    pub finish: unsafe fn(&FinishJob),
    pub softmax_lines: unsafe fn(&SoftmaxJob),
}

/// The tiles of this thread, for as long as it lives.
///
/// They are held while a task multiplies and not between tasks: a thread without them has less to be switched with, and its
/// core can sleep deeper. No task holds them twice.
pub(crate) struct HeldTiles {
    release: unsafe fn(),
    /// Of one thread.
    here: PhantomData<*const ()>,
}

impl TileLoops {
    /// Makes the tiles of this thread usable.
    pub(crate) fn hold(&self) -> HeldTiles {
        // SAFETY: a table is only made of a set that this machine has.
        unsafe { (self.configure)() };
        HeldTiles { release: self.release, here: PhantomData }
    }
}

impl Drop for HeldTiles {
    fn drop(&mut self) {
        // SAFETY: they were configured by the same instruction set.
        unsafe { (self.release)() }
    }
}

macro_rules! tile_loops {
    ($module:ident, $lines:ty, $(#[$attribute:meta])*) => {
        mod $module {
            use super::*;

            $(#[$attribute])*
            unsafe fn configure() {
                unsafe { <$lines as Lines>::configure() }
            }

            $(#[$attribute])*
            unsafe fn release() {
                unsafe { <$lines as Lines>::release() }
            }

            tile_loops!(@each $lines, [$(#[$attribute])*],
                pack_pixels_of: PixelJob => pack_pixels,
                pack_rows_of: TileJob => pack_rows,
                pack_columns_of: TileJob => pack_columns,
                pack_as_lines_of: TileJob => pack_as_lines,
                pair_pixels_of: PairJob => pair_pixels,
                unpack_sums_of: UnpackJob => unpack_sums,
                finish_of: FinishJob => finish,
                softmax_lines_of: SoftmaxJob => softmax_lines,
            );

            pub(super) const LOOPS: TileLoops = TileLoops {
                configure,
                release,
                multiply: <$lines as Tiles>::multiply,
                multiply_outer: <$lines as Tiles>::multiply_outer,
                pack_pixels: pack_pixels_of,
                pack_rows: pack_rows_of,
                pack_columns: pack_columns_of,
                pack_as_lines: pack_as_lines_of,
                pair_pixels: pair_pixels_of,
                unpack_sums: unpack_sums_of,
                finish: finish_of,
                softmax_lines: softmax_lines_of,
            };
        }
    };
    (@each $lines:ty, $attributes:tt, $($name:ident: $job:ty => $body:ident),* $(,)?) => {
        $(tile_loops!(@one $lines, $attributes, $name, $job, $body);)*
    };
    (@one $lines:ty, [$(#[$attribute:meta])*], $name:ident, $job:ty, $body:ident) => {
        $(#[$attribute])*
        unsafe fn $name(job: &$job) {
            unsafe { $body::<$lines>(job) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
tile_loops!(amx, Amx, #[target_feature(enable = "avx512f,avx512bf16,avx512bw,avx512dq")]);
#[cfg(test)]
tile_loops!(twin, Arrays<16>,);

/// The loops of AMX, for machines that have it.
#[cfg(target_arch = "x86_64")]
pub(crate) const AMX: TileLoops = amx::LOOPS;

/// Their plain twin.
#[cfg(test)]
pub(crate) const TWIN: TileLoops = twin::LOOPS;
