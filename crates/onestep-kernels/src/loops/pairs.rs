//! Numbers of type bf16 in pairs, as products take them: neighbours in a row, or what lies one below the other in a panel.

#![allow(unsafe_code, reason = "whole vectors of checked slices")]

use crate::simd::{Simd, narrow, vectorised};

/// A row of numbers as pairs of neighbours; an odd last one is paired with zero.
///
/// # Safety
///
/// The machine has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn round_row<S: Simd>(row: &[f32], pairs: &mut [u32]) {
    assert!(pairs.len() >= row.len().div_ceil(2));
    let (target, whole) = (pairs.as_mut_ptr().cast::<u16>(), row.len() - row.len() % S::LANES);
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole vector begins at `at`, and there are as many halves of pairs as numbers, as was checked.
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

vectorised! {
    /// Numbers of type bf16 in full.
    pub(crate) fn widen(source: &[u16], target: &mut [f32]) {
        for (target, source) in target.iter_mut().zip(source) {
            *target = f32::from_bits(u32::from(*source) << 16);
        }
    }
}

vectorised! {
    /// Numbers rounded to bf16.
    pub(crate) fn round(source: &[f32], target: &mut [u16]) {
        for (target, source) in target.iter_mut().zip(source) {
            *target = narrow(*source) as u16;
        }
    }
}

/// Rows of `width` numbers as pairs of what lies one below the other, `[⌈rows / 2⌉, stride]`; an odd last row is paired with
/// zeros.
pub(crate) fn pair_rows(rows: &[f32], width: usize, pairs: &mut [u32], stride: usize) {
    for (rows, pairs) in rows.chunks(2 * width.max(1)).zip(pairs.chunks_mut(stride.max(1))) {
        let (upper, lower) = rows.split_at(width);
        if lower.is_empty() {
            upper.iter().zip(pairs).for_each(|(upper, pair)| *pair = narrow(*upper));
        } else {
            pair_columns(upper, lower, pairs);
        }
    }
}

/// A panel `[depth, width]` as pairs of rows, `[⌈depth / 2⌉, width]`; an odd last row is paired with zeros.
pub(crate) fn pair_panel(panel: &[f32], width: usize, pairs: &mut [u32]) {
    pair_rows(panel, width, pairs, width);
}

#[cfg(test)]
mod tests {
    use super::{pair_panel, pair_rows};

    #[test]
    fn an_odd_row_below_is_zero() {
        let mut pairs = [7; 2];
        pair_panel(&[1.0, 2.0, 3.0], 1, &mut pairs);
        assert_eq!(pairs, [0x4000_3f80, 0x4040]);
        let mut pairs = [7; 5];
        pair_rows(&[1.0, 2.0, 2.0, 3.0, 3.0, 1.0], 2, &mut pairs, 3);
        assert_eq!(pairs, [0x4000_3f80, 0x4040_4000, 7, 0x4040, 0x3f80]);
    }
}
