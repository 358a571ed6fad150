//! The loops of each instruction set, behind one table of functions.

#![allow(unsafe_code, reason = "calls functions that need instructions which the machine has been asked for")]

use super::norm_loops::{self, NormLoops};
use super::pairs;
use super::simd::{Level, Portable, Simd};
use super::tile::{Gather, Outer, PairProduct, Product, gather, outer, pair_product, product};
use super::winograd::transforms::{
    GradientJob, InputJob, OutputJob, TapsJob, WeightJob, gradient_tiles, input_tiles, output_tiles,
    weight_factors, weight_taps,
};

/// The maps of Winograd's method for one size of tile.
#[derive(Clone, Copy)]
pub(crate) struct Winograd {
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
    pub lanes: usize,
    /// Heights of the tiles of [`Self::outer`], tallest first; the last is 1.
    pub outer_rows: [usize; 4],
    gather: [unsafe fn(&Gather); 2],
    outer: [[unsafe fn(&Outer); 4]; 2],
    product: [[unsafe fn(&Product); 2]; 2],
    pair_product: [unsafe fn(&PairProduct); 2],
    winograd: [Winograd; 2],
    round: unsafe fn(&[f32], &mut [u32]),
    pub norm: NormLoops,
}

impl Kernels {
    /// The loops for the best instruction set of this machine.
    pub(crate) fn best() -> Self {
        Self::of(Level::best())
    }

    pub(crate) fn of(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => avx512_bf16::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::KERNELS,
            Level::Portable => portable::KERNELS,
            #[cfg(test)]
            Level::Wide => wide::KERNELS,
        }
    }

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
    /// As for [`Self::product`].
    pub(crate) unsafe fn pair_product(&self, width: usize, job: &PairProduct) {
        unsafe { self.pair_product[usize::from(width > self.lanes)](job) }
    }

    /// A row of numbers as pairs of neighbours of type bf16; an odd last one is paired with zero.
    pub(crate) fn round_row(&self, row: &[f32], pairs: &mut [u32]) {
        // SAFETY: the loops are those of this machine; they check their slices.
        unsafe { (self.round)(row, pairs) }
    }

    /// The maps for tiles of `outputs` x `outputs`, which is 2 or 4.
    pub(crate) fn winograd(&self, outputs: usize) -> &Winograd {
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

macro_rules! kernels {
    ($module:ident, $simd:ty, rows: $rows:literal, pair_rows: $pair_rows:literal, outer: [$a:literal, $b:literal, $c:literal, $d:literal], $(#[$attribute:meta])*) => {
        mod $module {
            use super::*;

            $(#[$attribute])*
            unsafe fn gather_of<const V: usize>(job: &Gather) {
                unsafe { gather::<$simd, $rows, V>(job) }
            }

            $(#[$attribute])*
            unsafe fn outer_of<const R: usize, const V: usize>(job: &Outer) {
                unsafe { outer::<$simd, R, V>(job) }
            }

            $(#[$attribute])*
            unsafe fn product_of<const V: usize, const TRANSPOSED: bool>(job: &Product) {
                unsafe { product::<$simd, $rows, V, TRANSPOSED>(job) }
            }

            $(#[$attribute])*
            unsafe fn pair_product_of<const V: usize>(job: &PairProduct) {
                unsafe { pair_product::<$simd, $pair_rows, V>(job) }
            }

            $(#[$attribute])*
            unsafe fn input_of<const A: usize, const M: usize, const ROUNDED: bool>(job: &InputJob) {
                unsafe { input_tiles::<$simd, A, M, ROUNDED>(job) }
            }

            $(#[$attribute])*
            unsafe fn output_of<const A: usize, const M: usize>(job: &OutputJob) {
                unsafe { output_tiles::<$simd, A, M>(job) }
            }

            $(#[$attribute])*
            unsafe fn gradient_of<const A: usize, const M: usize>(job: &GradientJob) {
                unsafe { gradient_tiles::<$simd, A, M>(job) }
            }

            $(#[$attribute])*
            unsafe fn factors_of<const A: usize>(job: &WeightJob) {
                unsafe { weight_factors::<$simd, A>(job) }
            }

            $(#[$attribute])*
            unsafe fn taps_of<const A: usize>(job: &TapsJob) {
                unsafe { weight_taps::<$simd, A>(job) }
            }

            $(#[$attribute])*
            unsafe fn round(row: &[f32], rounded: &mut [u32]) {
                unsafe { pairs::round_row::<$simd>(row, rounded) }
            }

            $(#[$attribute])*
            unsafe fn moments(input: &[f32], moments: [&mut [f32]; 2]) {
                unsafe { norm_loops::moments::<$simd>(input, moments) }
            }

            $(#[$attribute])*
            unsafe fn apply_of<const SILU: bool>(input: &[f32], affine: [&[f32]; 3], output: &mut [f32]) {
                unsafe { norm_loops::apply::<$simd, SILU>(input, affine, output) }
            }

            $(#[$attribute])*
            unsafe fn slopes_of<const SILU: bool>(
                data: [&[f32]; 2],
                affine: [&[f32]; 4],
                slopes: &mut [f32],
                sums: [&mut [f32]; 2],
            ) {
                unsafe { norm_loops::slopes::<$simd, SILU>(data, affine, slopes, sums) }
            }

            $(#[$attribute])*
            unsafe fn input_gradient(input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
                unsafe { norm_loops::input::<$simd>(input, affine, slopes) }
            }

            $(#[$attribute])*
            unsafe fn along(data: [&[f32]; 2], affine: [&[f32]; 2], sums: [&mut [f32]; 2]) {
                unsafe { norm_loops::along::<$simd>(data, affine, sums) }
            }

            $(#[$attribute])*
            unsafe fn tangent_of<const SILU: bool>(
                data: [&[f32]; 2],
                affine: [&[f32]; 5],
                output: &mut [f32],
            ) {
                unsafe { norm_loops::tangent::<$simd, SILU>(data, affine, output) }
            }

            const fn winograd_of<const A: usize, const M: usize>() -> Winograd {
                Winograd {
                    input: [input_of::<A, M, false>, input_of::<A, M, true>],
                    output: output_of::<A, M>,
                    gradient: gradient_of::<A, M>,
                    factors: factors_of::<A>,
                    taps: taps_of::<A>,
                }
            }

            const fn heights<const V: usize>() -> [unsafe fn(&Outer); 4] {
                [outer_of::<$a, V>, outer_of::<$b, V>, outer_of::<$c, V>, outer_of::<$d, V>]
            }

            pub(super) const KERNELS: Kernels = Kernels {
                rows: $rows,
                lanes: <$simd as Simd>::LANES,
                outer_rows: [$a, $b, $c, $d],
                gather: [gather_of::<1>, gather_of::<2>],
                outer: [heights::<1>(), heights::<2>()],
                product: [
                    [product_of::<1, false>, product_of::<2, false>],
                    [product_of::<1, true>, product_of::<2, true>],
                ],
                pair_product: [pair_product_of::<1>, pair_product_of::<2>],
                winograd: [winograd_of::<4, 2>(), winograd_of::<6, 4>()],
                round,
                norm: NormLoops {
                    moments,
                    apply: [apply_of::<false>, apply_of::<true>],
                    slopes: [slopes_of::<false>, slopes_of::<true>],
                    input: input_gradient,
                    along,
                    tangent: [tangent_of::<false>, tangent_of::<true>],
                },
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512, Avx512Bf16};
#[cfg(target_arch = "x86_64")]
kernels!(avx512_bf16, Avx512Bf16, rows: 8, pair_rows: 8, outer: [8, 4, 2, 1], #[target_feature(enable = "avx512f,avx512bf16")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, rows: 8, pair_rows: 8, outer: [8, 4, 2, 1], #[target_feature(enable = "avx512f")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, rows: 6, pair_rows: 4, outer: [6, 4, 2, 1], #[target_feature(enable = "avx2,fma")]);
kernels!(portable, Portable, rows: 4, pair_rows: 4, outer: [4, 2, 1, 1],);
#[cfg(test)]
kernels!(wide, super::super::simd::Arrays<16>, rows: 8, pair_rows: 8, outer: [8, 4, 2, 1],);
