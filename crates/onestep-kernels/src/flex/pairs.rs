//! Numbers of type bf16 in pairs: the first 16 bits of an f32, rounded to the nearest, ties to even.

#![allow(unsafe_code, reason = "whole vectors of checked slices")]

use super::elementwise::vectorised;
use super::kernels::Kernels;
use super::panels::Panels;
use super::simd::Simd;

/// The bits of x rounded to bf16.
#[inline(always)]
pub(crate) fn narrow(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding must not turn a NaN into infinity or zero.
    if bits & 0x7fff_ffff > 0x7f80_0000 { (bits >> 16) | 0x40 } else { rounded }
}

/// A row of numbers as pairs of neighbours; an odd last one is paired with zero.
#[inline(always)]
pub(crate) unsafe fn round_row<S: Simd>(row: &[f32], pairs: &mut [u32]) {
    assert!(pairs.len() >= row.len().div_ceil(2));
    let (target, whole) = (pairs.as_mut_ptr().cast::<u16>(), row.len() - row.len() % S::LANES);
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: within both slices, by the assertion.
        unsafe { S::store_rounded(target.add(at), S::load(row.as_ptr().add(at))) };
    }
    for (pair, target) in row[whole..].chunks(2).zip(&mut pairs[whole / 2..]) {
        *target = narrow(pair[0]) | narrow(pair.get(1).copied().unwrap_or(0.0)) << 16;
    }
}

vectorised! {
    /// Two rows of numbers as pairs of what lies one below the other.
    fn pair_columns(upper: &[f32], lower: &[f32], pairs: &mut [u32]) {
        for ((upper, lower), pair) in upper.iter().zip(lower).zip(pairs.iter_mut()) {
            *pair = narrow(*upper) | narrow(*lower) << 16;
        }
    }
}

/// A panel `[depth, width]` as pairs of rows, `[⌈depth / 2⌉, width]`; an odd last row is paired with zeros.
pub(crate) fn pair_panel(panel: &[f32], width: usize, pairs: &mut [u32]) {
    let zeros = [0.0; 64];
    for (rows, pairs) in panel.chunks(2 * width).zip(pairs.chunks_exact_mut(width)) {
        let (upper, lower) = rows.split_at(width);
        pair_columns(upper, if lower.is_empty() { &zeros[..width] } else { lower }, pairs);
    }
}

/// [`Panels`] as pairs of rows.
#[derive(Debug)]
pub(crate) struct PairPanels {
    pub values: Vec<u32>,
    pub depth: usize,
    pub columns: usize,
}

impl PairPanels {
    /// Rounds panels.
    pub(crate) fn new(kernels: &Kernels, panels: &Panels) -> Self {
        let Panels { values, depth, columns } = panels;
        let pairs = depth.div_ceil(2);
        let mut rounded = vec![0; pairs * kernels.padded(*columns)];
        for column in (0..*columns).step_by(kernels.panel()) {
            let width = kernels.panel_at(column, *columns);
            let panel = &values[column * depth..][..width * depth];
            pair_panel(panel, width, &mut rounded[column * pairs..][..width * pairs]);
        }
        Self { values: rounded, depth: *depth, columns: *columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::simd::Level;

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        let bits = |x: f32| narrow(x) << 16;
        for exact in [0.0f32, -0.0, 1.0, -2.5, 1.0078125, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(bits(exact), exact.to_bits());
        }
        // Between 1 and 1 + 2⁻⁷.
        assert_eq!(f32::from_bits(bits(1.0 + 0.00390625)), 1.0);
        assert_eq!(f32::from_bits(bits(1.0078125 + 0.00390625)), 1.015625);
        assert_eq!(f32::from_bits(bits(1.004)), 1.0078125);
        assert_eq!(f32::from_bits(bits(f32::MAX)), f32::INFINITY);
        for nan in [f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)] {
            assert!(f32::from_bits(bits(nan)).is_nan());
        }
    }

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
    fn odd_rows_and_panels_end_in_zero() {
        let mut pairs = [7; 2];
        Kernels::best().round_row(&[1.0, 2.0, 3.0], &mut pairs);
        assert_eq!(pairs, [0x4000_3f80, 0x4040]);
        pair_panel(&[1.0, 2.0, 3.0], 1, &mut pairs);
        assert_eq!(pairs, [0x4000_3f80, 0x4040]);
    }
}
