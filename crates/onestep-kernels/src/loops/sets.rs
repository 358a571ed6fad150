//! The loops compiled for each instruction set, and the choice of a table.

#![allow(unsafe_code, reason = "loops compiled for instructions that their callers ask the machine for")]

use super::gather::{Gather, gather};
use super::norm::{self, NormLoops};
use super::outer::{Outer, outer};
use super::pairs::round_row;
use super::product::{PairProduct, Product, pair_product, product};
use super::table::{Kernels, WinogradLoops};
use super::winograd::{
    GradientJob, InputJob, OutputJob, TapsJob, WeightJob, gradient_tiles, input_tiles, output_tiles,
    weight_factors, weight_taps,
};
#[cfg(test)]
use crate::simd::Arrays;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Bf16};
use crate::simd::{Level, Portable, Simd};
#[cfg(target_arch = "aarch64")]
use crate::simd::{Neon, NeonBf16};

impl Kernels {
    /// The loops for the best instruction set of this machine.
    pub(crate) fn best() -> Self {
        Self::of(Level::best())
    }

    /// The loops of one instruction set, which is one that this machine has.
    pub(crate) fn of(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Amx => Self { tiles: Some(super::amx::AMX), ..avx512_bf16::KERNELS },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => avx512_bf16::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Level::NeonBf16 => neon_bf16::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => neon::KERNELS,
            Level::Portable => portable::KERNELS,
            #[cfg(test)]
            Level::Wide => Self { tiles: Some(super::amx::TWIN), ..wide::KERNELS },
        }
    }
}

/// The table of one instruction set: every loop, compiled with the set's attributes.
///
/// The safety of each copy is that of the loop, which the callers of [`Kernels`] state.
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
            unsafe fn pair_product_of<const V: usize, const TRANSPOSED: bool>(job: &PairProduct) {
                unsafe { pair_product::<$simd, $pair_rows, V, TRANSPOSED>(job) }
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
                unsafe { round_row::<$simd>(row, rounded) }
            }

            $(#[$attribute])*
            unsafe fn moments(input: &[f32], moments: [&mut [f32]; 2]) {
                unsafe { norm::moments::<$simd>(input, moments) }
            }

            $(#[$attribute])*
            unsafe fn apply_of<const SILU: bool>(input: &[f32], affine: [&[f32]; 3], output: &mut [f32]) {
                unsafe { norm::apply::<$simd, SILU>(input, affine, output) }
            }

            $(#[$attribute])*
            unsafe fn slopes_of<const SILU: bool>(
                data: [&[f32]; 2],
                affine: [&[f32]; 4],
                slopes: &mut [f32],
                sums: [&mut [f32]; 2],
            ) {
                unsafe { norm::slopes::<$simd, SILU>(data, affine, slopes, sums) }
            }

            $(#[$attribute])*
            unsafe fn input_gradient(input: &[f32], affine: [&[f32]; 4], slopes: &mut [f32]) {
                unsafe { norm::input_gradient::<$simd>(input, affine, slopes) }
            }

            $(#[$attribute])*
            unsafe fn along(data: [&[f32]; 2], affine: [&[f32]; 2], sums: [&mut [f32]; 2]) {
                unsafe { norm::along::<$simd>(data, affine, sums) }
            }

            $(#[$attribute])*
            unsafe fn tangent_of<const SILU: bool>(
                data: [&[f32]; 2],
                affine: [&[f32]; 5],
                output: &mut [f32],
            ) {
                unsafe { norm::tangent::<$simd, SILU>(data, affine, output) }
            }

            const fn winograd_of<const A: usize, const M: usize>() -> WinogradLoops {
                WinogradLoops {
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
                pair_product: [
                    [pair_product_of::<1, false>, pair_product_of::<2, false>],
                    [pair_product_of::<1, true>, pair_product_of::<2, true>],
                ],
                winograd: [winograd_of::<4, 2>(), winograd_of::<6, 4>()],
                round,
                norm: NormLoops {
                    moments,
                    apply: [apply_of::<false>, apply_of::<true>],
                    slopes: [slopes_of::<false>, slopes_of::<true>],
                    input_gradient,
                    along,
                    tangent: [tangent_of::<false>, tangent_of::<true>],
                },
                tiles: None,
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512_bf16, Avx512Bf16, rows: 8, pair_rows: 8, outer: [8, 4, 2, 1], #[target_feature(enable = "avx512f,avx512bf16")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, rows: 8, pair_rows: 8, outer: [8, 4, 2, 1], #[target_feature(enable = "avx512f")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, rows: 6, pair_rows: 4, outer: [6, 4, 2, 1], #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "aarch64")]
kernels!(neon_bf16, NeonBf16, rows: 6, pair_rows: 6, outer: [4, 2, 1, 1], #[target_feature(enable = "neon,bf16")]);
#[cfg(target_arch = "aarch64")]
kernels!(neon, Neon, rows: 6, pair_rows: 4, outer: [4, 2, 1, 1], #[target_feature(enable = "neon")]);
kernels!(portable, Portable, rows: 4, pair_rows: 4, outer: [4, 2, 1, 1],);
#[cfg(test)]
kernels!(wide, Arrays<16>, rows: 8, pair_rows: 8, outer: [8, 4, 2, 1],);

#[cfg(test)]
mod tests {
    use super::Kernels;
    use crate::simd::Level;

    #[test]
    fn every_instruction_set_rounds_alike() {
        // No denormal numbers, which AVX512-BF16 takes for zero.
        let mut row: Vec<f32> = (0..4096u32)
            .map(|index| f32::from_bits(index.wrapping_mul(0x9e37_79b9)))
            .filter(|x| x.is_nan() || *x == 0.0 || x.abs() >= f32::MIN_POSITIVE)
            .collect();
        row.extend([
            0.0,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            1.003_906_2,
            1.011_718_8,
            f32::MAX,
        ]);
        row.truncate(row.len() / 16 * 16 + 5);
        let mut expected = vec![0; row.len().div_ceil(2)];
        Kernels::of(Level::Portable).round_row(&row, &mut expected);
        assert!(row.iter().any(|x| x.is_nan()));
        for level in Level::available() {
            let mut pairs = vec![7; expected.len()];
            Kernels::of(level).round_row(&row, &mut pairs);
            assert_eq!(pairs, expected, "{level:?}");
        }
    }

    #[test]
    fn an_odd_last_number_is_paired_with_zero() {
        let mut pairs = [7; 2];
        Kernels::best().round_row(&[1.0, 2.0, 3.0], &mut pairs);
        assert_eq!(pairs, [0x4000_3f80, 0x4040]);
    }

    #[test]
    fn silu_ends_well_at_every_instruction_set() {
        let input = [-1e30, -200.0, -20.0, 0.0, 20.0, 200.0, 1e30, f32::NAN, 1.0, f32::INFINITY];
        for level in Level::available() {
            let mut output = [0.0; 10];
            let (zero, one) = ([0.0; 10], [1.0; 10]);
            Kernels::of(level).norm.apply(true, &input, [&zero, &one, &zero], &mut output);
            assert!(output[0].abs() < 1e-6 && output[1].abs() < 1e-30 && output[3] == 0.0, "{output:?}");
            assert!((output[2] + 20.0 * (-20.0f32).exp()).abs() < 1e-13);
            assert_eq!([output[4], output[5], output[6]], [20.0, 200.0, 1e30]);
            assert!(output[7].is_nan());
            assert!((output[8] - 0.731_058_6).abs() < 1e-6);
        }
    }
}
