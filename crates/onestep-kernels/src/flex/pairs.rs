//! Numbers of type bf16 in pairs: the first 16 bits of an f32, rounded to the nearest, ties to even.

use super::elementwise::vectorised;
use super::kernels::Kernels;
use super::panels::Panels;

/// The bits of x rounded to bf16.
#[inline(always)]
fn narrow(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding must not turn a NaN into infinity or zero.
    if bits & 0x7fff_ffff > 0x7f80_0000 { (bits >> 16) | 0x40 } else { rounded }
}

vectorised! {
    /// A row of numbers as pairs of neighbours; an odd last one is paired with zero.
    pub(crate) fn pair_row(row: &[f32], pairs: &mut [u32]) {
        let (whole, rest) = row.as_chunks::<2>();
        for (pair, target) in whole.iter().zip(pairs.iter_mut()) {
            *target = narrow(pair[0]) | narrow(pair[1]) << 16;
        }
        if let [last] = rest {
            pairs[whole.len()] = narrow(*last);
        }
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
    fn odd_rows_and_panels_end_in_zero() {
        let mut pairs = [7; 2];
        pair_row(&[1.0, 2.0, 3.0], &mut pairs);
        assert_eq!(pairs, [0x4000_3f80, 0x4040]);
        pair_panel(&[1.0, 2.0, 3.0], 1, &mut pairs);
        assert_eq!(pairs, [0x4000_3f80, 0x4040]);
    }
}
