//! Sums that do not depend on their order.
//!
//! Floating-point addition rounds, so the sum of two halves need not be the sum of the whole. Integers do not round: every
//! addend is written as an integer multiple of 2^-72 in 128 bits, and from there on parts can be added in any order, on any
//! number of machines, with equal bits.

/// Bits behind the point. An f64 of at least 2^-20 is kept to its last bit, a smaller one to 2e-22.
const FRACTION_BITS: u32 = 72;

/// What is left before the point is 55 bits: 2^18 addends of this size.
pub(super) const LARGEST: f64 = (1u64 << 36) as f64;

/// The largest number of addends in one sum.
pub(super) const MOST_ADDENDS: u64 = 1 << 18;

/// A number of at most [`LARGEST`] as a multiple of 2^-72.
pub(super) fn fixed(value: f64) -> i128 {
    debug_assert!(value.abs() <= LARGEST, "{value} is larger than what sums are made of");
    // The product is exact, a power of two; the conversion drops what lies below the last bit.
    (value * (1u128 << FRACTION_BITS) as f64) as i128
}

/// Whether a sum read from a file can have come from so many addends; sums that can do not overflow when added up.
pub(super) fn is_plausible(sum: i128, n_addends: u64) -> bool {
    n_addends <= MOST_ADDENDS && sum.unsigned_abs() <= fixed(LARGEST).unsigned_abs() * u128::from(n_addends)
}

/// The nearest f64.
pub(super) fn float(sum: i128) -> f64 {
    sum as f64 / (1u128 << FRACTION_BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_sums_have_no_order() {
        for value in [0.0, 1.0, -1.5, 0.1, -1e-5, 68_719_476_736.0, f64::from(f32::MIN_POSITIVE)] {
            let back = float(fixed(value));
            let kept = if value.abs() >= 2f64.powi(-20) { 0.0 } else { 2f64.powi(-72) };
            assert!((back - value).abs() <= kept, "{value} came back as {back}");
        }
        // In f64, 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ.
        let terms = [0.1, 0.2, 0.3].map(fixed);
        assert_eq!(terms[0] + terms[1] + terms[2], terms[2] + terms[1] + terms[0]);
        let most =
            fixed(LARGEST).checked_mul(i128::from(MOST_ADDENDS)).expect("the sums hold what they promise");
        assert!(is_plausible(most, MOST_ADDENDS) && !is_plausible(most, 1) && !is_plausible(0, u64::MAX));
    }
}
